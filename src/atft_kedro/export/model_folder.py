"""Exported models: the folders that hold a run's networks and their card, written and found."""

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from safetensors.torch import save

from ..advice import advise_command, advise_run
from ..evaluation.conformal import Corrections
from ..evaluation.score import HorizonScore, RunScore
from ..files import atomic_write, parse_model, read_json
from ..network.params import NetworkParams
from ..params import InputError, Params
from ..plugins import hash_plugins
from ..schema import EDGE_ATTRIBUTES
from ..training.forecasting import TrainedNetwork
from ..training.params import TrainingParams
from ..training.runs import LATEST, MANIFEST, Runs, read_manifest
from .champion import (
    CHALLENGER,
    CHAMPION,
    CHAMPION_FILE,
    MODEL_ROLE_FILE,
    OTHER,
    ChampionRecord,
    ModelRole,
    Promotion,
    Role,
    format_time,
    read_record,
    update_record,
)
from .model_card import CARD_FILE, WEIGHTS_FILE, MemberCard, ModelCard, ModelInputs

PREFIX = "gatfan_"


class ExportedModel(Params):
    """The run that was exported last, its model folder's name and its score."""

    run: str
    folder: str
    score: float | None


def _advise_export() -> str:
    return advise_run("--pipelines evaluate,export")


@dataclass(frozen=True)
class ExportedModels:
    """The exported models of all runs."""

    runs: Runs

    def find(self, run: str) -> Path:
        """Find a run's model folder.

        ``latest`` is the newest run with a model; ``champion`` and ``challenger`` are those of the record.
        """
        names = self.names()
        if run in (CHAMPION, CHALLENGER) and names:
            run = self.find_role(run)
        if run in (LATEST, CHAMPION) and not names:
            raise InputError(
                f"No run in {self.runs.folder} has an exported model: {_advise_export()} exports the newest run."
            )
        folder = self.runs.find(names[-1] if run == LATEST else run)
        found = _find_folder(folder)
        if found is None:
            raise InputError(
                f"Run {folder.name} has no exported model: {_advise_export()} exports the newest run. "
                f"Runs with a model: {', '.join(names) or 'none'}."
            )
        return found

    def names(self) -> list[str]:
        """List the runs with an exported model, the oldest first."""
        return [name for name in self.runs.names() if _find_folder(self.runs.folder / name)]

    def find_role(self, role: str) -> str:
        """Find the run that is champion or challenger; refuse a role that no run has."""
        run: str | None = getattr(self.record, role)
        if run is None:
            promote = advise_command("atft promote RUN --force --reason TEXT")
            raise InputError(
                f"There is no {role} among the runs in {self.runs.folder}: a smoke run never becomes one. Train a "
                f"model with {advise_run()}, or make a run the champion: {promote}."
            )
        return run

    @property
    def path(self) -> Path:
        """Return the path of the champion's record."""
        return self.runs.folder.parent / CHAMPION_FILE

    @property
    def record(self) -> ChampionRecord:
        """Read the record of champion and challenger; see `start_record` if it does not exist yet."""
        return read_record(self.path) or self.start_record()

    def start_record(self, without: str = "") -> ChampionRecord:
        """Create a record for runs that are older than it.

        The newest candidate is the champion, because ``predict`` used it before. ``without`` is left out.
        """
        candidates = [name for name in self.names() if name != without and self.is_candidate(name)]
        if not candidates:
            return ChampionRecord()
        exported = datetime.fromtimestamp(self.find(candidates[-1]).stat().st_mtime)
        first = Promotion(run=candidates[-1], at=format_time(exported), how="first", reason="the newest exported model")
        return ChampionRecord().promote(first)

    def is_candidate(self, run: str) -> bool:
        """Return whether a run can become champion without force.

        It is no smoke run, and its export did not exclude it.
        """
        return not self._is_smoke(run) and self._read_role(run) != OTHER

    def _is_smoke(self, run: str) -> bool:
        return read_manifest(self.runs.folder / run)["training"].get("steps_per_phase") is not None

    def _read_role(self, run: str) -> Role | None:
        """Read the role that a run had after its export; None for runs of earlier versions."""
        path = self.runs.folder / run / MODEL_ROLE_FILE
        return parse_model(read_json(path), ModelRole, path).role if path.exists() else None

    def add_candidate(self, run: str, is_candidate: bool = True) -> Role:
        """Make a run the first champion or the challenger, if it is a candidate; return its role.

        A record is written in any case. A run that is exported again does not replace a later challenger.
        """
        was_added = self.path.exists() and self._read_role(run) in (CHAMPION, CHALLENGER)
        is_new = is_candidate and not self._is_smoke(run) and not was_added
        start = self.start_record(without=run)
        record = update_record(self.path, start, lambda record: record.add_candidate(run) if is_new else record)
        return record.find_role(run)


def _find_folder(run: Path) -> Path | None:
    return next((card.parent for card in run.glob(f"{PREFIX}*/{CARD_FILE}")), None)


def name_model(run: str, score: float | None) -> str:
    """Return the name of a model folder: the run's day and the score."""
    return f"{PREFIX}{run[:8]}_Sharpe{'none' if score is None else f'{score:.2f}'}"


def select_shortest_horizon(score: RunScore) -> HorizonScore:
    """Select the test score of the shortest horizon."""
    horizons = score.split["test"]
    return horizons[min(horizons)]


def export_model(
    run: Path, members: Sequence[TrainedNetwork], inputs: ModelInputs, corrections: Corrections, score: RunScore
) -> ExportedModel:
    """Write a run's model folder; it replaces an earlier one of the run."""
    manifest, path = read_manifest(run), run / MANIFEST
    training = parse_model(manifest["training"], TrainingParams, path)
    if score.run != (training.refit_of or run.name):
        raise InputError(
            f"The score is of run {score.run}, but the model is of run {run.name}: {_advise_export()} creates both."
        )
    seeded = list(zip(training.all_seeds, members, strict=True))
    weights = save(
        {
            f"{seed}.{name}": weight.contiguous()
            for seed, member in seeded
            for name, weight in member.network.state_dict().items()
        }
    )
    portfolio = select_shortest_horizon(score).long_short
    extra = inputs.prices.features.extra if inputs.prices else ()
    card = ModelCard(
        run=run.name,
        commit=manifest["commit"],
        is_dirty=manifest["is_dirty"],
        version=version("atft-kedro"),
        panel=manifest["panel"],
        score=portfolio.net_sharpe if portfolio else None,
        network=parse_model(manifest["network"], NetworkParams, path),
        members=tuple(MemberCard(seed=seed, modules=tuple(sorted(member.modules))) for seed, member in seeded),
        horizons=members[0].network.horizons,
        edge_attributes=EDGE_ATTRIBUTES,
        inputs=inputs,
        corrections=corrections,
        recipe_run=training.refit_of,
        plugins=hash_plugins([manifest["network"], manifest["training"], inputs.graph.kind, extra]),
        weights_sha256=hashlib.sha256(weights).hexdigest(),
    )
    folder = run / name_model(run.name, card.score)
    _replace_model(folder, {WEIGHTS_FILE: weights, CARD_FILE: card.model_dump_json(indent=1).encode()})
    return ExportedModel(run=run.name, folder=folder.name, score=card.score)


def _replace_model(folder: Path, files: dict[str, bytes]) -> None:
    """Write a model folder completely, then remove the run's earlier ones; equal files are kept."""
    earlier = list(folder.parent.glob(f"{PREFIX}*"))
    if earlier == [folder] and all(
        (folder / name).exists() and (folder / name).read_bytes() == content for name, content in files.items()
    ):
        return
    with atomic_write(folder, is_folder=True) as partial:
        for name, content in files.items():
            (partial / name).write_bytes(content)
        if folder in earlier:  # a folder with content cannot be replaced
            earlier[earlier.index(folder)] = folder.rename(partial.with_name(f"{partial.name}.earlier"))
    for path in earlier:
        shutil.rmtree(path)
