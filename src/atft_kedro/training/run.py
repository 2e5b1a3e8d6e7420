"""A run: its folder, what it was made of, and the training in it from the first block to the last checkpoint."""

import hashlib
import json
import logging
import platform
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import torch

from ..network.atft import Atft
from ..network.sizes import NetworkParams
from ..panel.blocks import BlockReader, DailyGraphs, known_until, stretches_of
from ..panel.sampler import BlockSampler
from ..panel.split import Role, Split
from ..panel.store import Panel
from ..params import InputError, Params
from .callbacks import BEST, LAST, Checkpoints, Heartbeat, MetricsLog
from .engine import Callback, Course, Trainer
from .memory import keep_freed_memory
from .mode import TrainingParams
from .state import Identity, read_checkpoint

LATEST, MANIFEST = "latest", "manifest.json"

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Runs:
    """The folder of all runs, and the state of the code that trains now."""

    folder: Path
    commit: str
    is_dirty: bool

    def find(self, name: str) -> Path:
        """Find a run by its name; ``latest`` is the newest."""
        found = self.folder / name
        if not (found / MANIFEST).exists():
            known = sorted(path.parent.name for path in self.folder.glob(f"[!l]*/{MANIFEST}"))
            raise InputError(f"There is no run {name!r} in {self.folder}; there are {', '.join(known) or 'none'}.")
        return found.resolve()

    def begin(self, manifest: dict[str, object]) -> Path:
        """Make a new run's folder, and let ``latest`` point at it."""
        text = json.dumps(manifest, indent=2, sort_keys=True)
        name = f"{datetime.now():%Y%m%d-%H%M%S-%f}-{hashlib.sha256(text.encode()).hexdigest()[:6]}"
        made = self.folder / name
        made.mkdir(parents=True)
        (made / MANIFEST).write_text(text)
        pointer = self.folder / f".{name}"
        pointer.symlink_to(name)
        pointer.replace(self.folder / LATEST)
        return made


class TrainedRun(Params):
    """What a training left: its run, and how good its best epoch was."""

    run: str
    checkpoint: str
    best_rank_ic: float
    epochs: int
    steps: int


@dataclass(frozen=True)
class Material:
    """What a network is trained on."""

    panel: Panel
    graphs: DailyGraphs
    split: Split

    def course(self, part: Role, lookback: int, training: TrainingParams) -> Course:
        """Read the days of a part, labels ending where the next part begins."""
        until = known_until(self.panel, self.split.part(part))
        reader = BlockReader(self.panel, self.graphs, lookback, training.days_per_block, until)
        stretches = stretches_of(self.panel, self.split, part)
        if not stretches:
            raise InputError(f"No stock is in the universe on any {part} day.")
        return Course(reader, BlockSampler(stretches, training.days_per_block, training.seed))


def train_in_run(material: Material, network: NetworkParams, training: TrainingParams, runs: Runs) -> TrainedRun:
    """Train in a new run, or go on in the one that ``training.resume`` names."""
    keep_freed_memory()
    material = replace(material, panel=choose_horizons(material.panel, network.horizons))
    identity = identify(material.panel, network, training)
    trainer = make_trainer(material, network, training)
    if training.resume is None:
        folder = runs.begin(describe(material, network, training, runs))
    else:
        folder = runs.find(training.resume)
        trainer.resume(read_checkpoint(folder / LAST, identity))
        _logger.info("run %s goes on after step %d", folder.name, trainer.progress.steps)
    callbacks: Sequence[Callback] = (MetricsLog(folder), Heartbeat(folder), Checkpoints(folder, identity), Told())
    trainer.callbacks = callbacks
    _logger.info("run %s: %d steps; see %s", folder.name, trainer.total_steps, folder)
    trainer.fit()
    progress = trainer.progress
    return TrainedRun(
        run=folder.name,
        checkpoint=BEST,
        best_rank_ic=progress.best,
        epochs=len(progress.history),
        steps=progress.steps,
    )


def make_trainer(material: Material, network: NetworkParams, training: TrainingParams) -> Trainer:
    """Make the network and its courses."""
    torch.manual_seed(training.seed)
    panel = material.panel
    model = Atft(network, len(panel.meaning.features), panel.meaning.horizons, material.graphs.edges.shape[-1])
    for phase in training.phases:
        phase.weigh_horizons(panel.meaning.horizons)
    train, validation = (material.course(part, network.lookback, training) for part in ("train", "validation"))
    return Trainer(model, train, validation, training)


def choose_horizons(panel: Panel, horizons: tuple[int, ...] | None) -> Panel:
    """Keep the targets of some horizons."""
    if horizons is None:
        return panel
    missing = sorted(set(horizons) - set(panel.meaning.horizons))
    if missing:
        raise InputError(f"network.horizons: the dataset has no targets for {missing}, only {panel.meaning.horizons}.")
    places = [panel.meaning.horizons.index(horizon) for horizon in horizons]
    meaning = panel.meaning.model_copy(update={"horizons": horizons})
    return replace(panel, meaning=meaning, targets=panel.targets[:, places])


def identify(panel: Panel, network: NetworkParams, training: TrainingParams) -> Identity:
    """Say what a checkpoint of this training may be loaded into."""
    params = json.dumps([network.model_dump(mode="json"), training.model_dump(mode="json", exclude={"resume"})])
    return Identity(catalogue=panel.meaning.catalogue, panel=panel.identity, params=params)


def describe(material: Material, network: NetworkParams, training: TrainingParams, runs: Runs) -> dict[str, object]:
    """Write down what a run is made of."""
    return {
        "commit": runs.commit,
        "is_dirty": runs.is_dirty,
        "panel": material.panel.identity,
        "catalogue": material.panel.meaning.catalogue,
        "features": len(material.panel.meaning.features),
        "split": material.split.model_dump(mode="json"),
        "network": network.model_dump(mode="json"),
        "training": training.model_dump(mode="json"),
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "device": str(material.panel.features.device),
    }


class Told:
    """Says each epoch's score in the log."""

    def after_step(self, trainer: Trainer, terms: dict[str, torch.Tensor]) -> None:
        """Say nothing."""

    def after_epoch(self, trainer: Trainer, scores: dict[str, float]) -> None:
        """Say it."""
        place = trainer.progress.phase
        _logger.info(
            "%s %d/%d: validation rank IC %.4f (best %.4f), scale %.3f",
            trainer.params.phases[place].name,
            trainer.progress.epoch,
            trainer.epochs[place],
            scores["rank_ic"],
            trainer.progress.best,
            scores["scale"],
        )
