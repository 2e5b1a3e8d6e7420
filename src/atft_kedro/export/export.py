"""A run's networks written to one folder that anyone can load without running foreign code."""

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from safetensors.torch import save

from ..evaluation.conformal import Corrections
from ..evaluation.score import HorizonScore, RunScore
from ..files import atomic_write, parse_model, read_json
from ..network.params import NetworkParams
from ..params import InputError, Params
from ..schema import EDGE_ATTRIBUTES
from ..training.ensemble import TrainedNetwork
from ..training.params import TrainingParams
from ..training.runs import LATEST, MANIFEST, Runs
from .model_card import CARD, WEIGHTS, MemberCard, ModelCard, ModelInputs

PREFIX = "gatfan_"
MADE_BY = "kedro run --pipelines evaluate,export"


class ExportedModel(Params):
    """Which run was handed on last, as which folder of its own, and its score."""

    run: str
    folder: str
    score: float | None


@dataclass(frozen=True)
class ExportedModels:
    """The models that runs have handed on."""

    runs: Runs

    def find(self, run: str) -> Path:
        """Find a run's model; ``latest`` is that of the newest run that has one."""
        names = [name for name in self.runs.names() if _model_of(self.runs.folder / name)]
        if run == LATEST and not names:
            raise InputError(f"No run in {self.runs.folder} has handed a model on: {MADE_BY} does that for the newest.")
        folder = self.runs.find(names[-1] if run == LATEST else run)
        found = _model_of(folder)
        if found is None:
            raise InputError(
                f"Run {folder.name} has handed no model on: {MADE_BY} does that for the newest training; "
                f"those that have: {', '.join(names) or 'none'}."
            )
        return found


def _model_of(run: Path) -> Path | None:
    return next((card.parent for card in run.glob(f"{PREFIX}*/{CARD}")), None)


def name_model(run: str, score: float | None) -> str:
    """Name a model's folder after the day of its training and its score."""
    return f"{PREFIX}{run[:8]}_Sharpe{'none' if score is None else f'{score:.2f}'}"


def shortest(score: RunScore) -> HorizonScore:
    """Take what forecasts over the shortest horizon were worth on the test days."""
    tested = score.split["test"]
    return tested[min(tested)]


def export_model(
    run: Path, members: Sequence[TrainedNetwork], inputs: ModelInputs, corrections: Corrections, score: RunScore
) -> ExportedModel:
    """Write a run's model into its folder, in place of what was written there before."""
    if score.run != run.name:
        raise InputError(f"The score is that of run {score.run}, the model that of {run.name}: {MADE_BY} makes both.")
    manifest = read_json(run / MANIFEST)
    seeds = parse_model(manifest.get("training"), TrainingParams, run / MANIFEST).all_seeds
    weights = save(
        {
            f"{seed}.{name}": weight.contiguous()
            for seed, trained in zip(seeds, members, strict=True)
            for name, weight in trained.network.state_dict().items()
        }
    )
    book = shortest(score).long_short
    card = ModelCard(
        run=run.name,
        commit=manifest["commit"],
        is_dirty=manifest["is_dirty"],
        version=version("atft-kedro"),
        panel=manifest["panel"],
        score=book.net_sharpe if book else None,
        network=NetworkParams.model_validate(manifest["network"]),
        members=tuple(
            MemberCard(seed=seed, modules=tuple(sorted(trained.modules)))
            for seed, trained in zip(seeds, members, strict=True)
        ),
        horizons=members[0].network.horizons,
        edge_attributes=EDGE_ATTRIBUTES,
        inputs=inputs,
        corrections=corrections,
        weights=hashlib.sha256(weights).hexdigest(),
    )
    folder = run / name_model(run.name, card.score)
    _write(folder, {WEIGHTS: weights, CARD: card.model_dump_json(indent=1).encode()})
    return ExportedModel(run=run.name, folder=folder.name, score=card.score)


def _write(folder: Path, files: dict[str, bytes]) -> None:
    """Write a whole folder beside its place, and let it take the place of all models that the run had."""
    with atomic_write(folder, is_folder=True) as partial:
        for name, content in files.items():
            (partial / name).write_bytes(content)
        older = [
            each.rename(each.with_name(f"{partial.name}.{each.name}")) for each in folder.parent.glob(f"{PREFIX}*")
        ]
    for each in older:
        shutil.rmtree(each)
