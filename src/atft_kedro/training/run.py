"""A training in its run folder, from the first block to the last checkpoint, of one seed or of several."""

import logging
import platform
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from math import isnan
from pathlib import Path

import torch

from ..files import read_json
from ..network.atft import Atft
from ..network.params import NetworkParams
from ..panel.split import SplitName
from .callbacks import BEST, LAST, Checkpoints, EpochLines, MetricsLog
from .checkpoint import Identity, make_identity, read_checkpoint
from .data import TrainingData, choose_days_per_block, choose_horizons, count_stocks_per_day
from .debug_mode import fix_workspace
from .distributed import ProcessGroup, join_process_group
from .engine import Callback, Trainer
from .failure_checks import CollapseCheck, NonFiniteCheck
from .hardware import ThreadChoice, choose_device, choose_threads, keep_freed_memory, keep_threads, using_threads
from .heartbeat import Heartbeat
from .params import TrainingParams
from .runs import MANIFEST, METRICS, STOP_FILE, Member, Runs, TrainedRun
from .stopping import SignalListener, StopFile, listen_for_signals
from .telemetry import restart_peak
from .tracking import NO_TRACKER, Tracker, Tracking

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """One run: what it trains, where it writes, whom it tells."""

    training_data: TrainingData
    network: NetworkParams
    training: TrainingParams
    folder: Path
    tracker: Tracker
    group: ProcessGroup
    watchers: Sequence[Callback]
    at_start: Mapping[str, float]  # the memory that the process held before

    def train(self, seed: int, listener: SignalListener) -> Member:
        """Train the network of one of the run's seeds, or go on with it."""
        training = self.training.model_copy(update={"seed": seed})
        place = self.folder / training.member_folder(seed)
        place.mkdir(exist_ok=True)
        identity = make_identity(self.training_data, self.network, training)
        trainer = make_trainer(self.training_data, self.network, training, self.group)
        if self.training.resume is not None and not (place / LAST).exists():
            _logger.info("seed %d has no checkpoint yet, and begins", seed)
        elif self.training.resume is not None:
            trainer.resume(read_checkpoint(place / LAST, identity))
            _logger.info("seed %d goes on after step %d", training.seed, trainer.progress.steps)
        mine = [*self.watch(training, place, identity), *self.watchers] if self.group.is_first else []
        trainer.callbacks = [listener, *mine]
        trainer.fit()
        progress = trainer.progress
        return Member(
            seed=training.seed,
            folder=str(place.relative_to(self.folder)),
            best_score=None if progress.best is None or isnan(progress.best) else progress.best,
            epochs=len(progress.history),
            steps=progress.steps,
        )

    def watch(self, training: TrainingParams, place: Path, identity: Identity) -> list[Callback]:
        """Choose what happens at the loop's events, in this order: trouble is found before a checkpoint is kept."""
        prefix = f"seed_{training.seed}/" if training.seeds > 1 else ""
        shared = (self.folder / MANIFEST, self.folder / METRICS)
        following = training.all_seeds[-1] if training.seeds == 1 else self.training.all_seeds[-1]
        return [
            NonFiniteCheck(self.folder, training.nan_budget),
            MetricsLog(self.folder, training.log_every),
            Checkpoints(place, identity, training.keep_epochs),
            StopFile(self.folder),
            Heartbeat(self.folder, following=following - training.seed, at_start=self.at_start),
            EpochLines(),
            Tracking(self.tracker, prefix, (place / BEST,), shared),
            CollapseCheck(training.collapse),
        ]


def train_in_run(
    training_data: TrainingData,
    network: NetworkParams,
    training: TrainingParams,
    runs: Runs,
    *,
    tracker: Tracker = NO_TRACKER,
    watchers: Sequence[Callback] = (),
) -> TrainedRun:
    """Train in a new run, or go on in the one that ``training.resume`` names; every rank calls this."""
    keep_freed_memory()
    fix_workspace(training)
    at_start, group = restart_peak(), join_process_group()
    panel = choose_horizons(training_data.panel, network.horizons)
    training = choose_days_per_block(training, count_stocks_per_day(panel))
    training_data = replace(training_data, panel=panel).to(choose_device(training.device))
    group.require_same(f"{panel.identity} {training_data.digest}")
    trainer = make_trainer(training_data, network, training, group)  # refuses what cannot be
    steps = trainer.total_steps * training.seeds
    folder, threads = group.broadcast(_open_run(training_data, trainer, runs) if group.is_first else None)
    del trainer
    device = str(training_data.panel.row_of.device)
    tracker.tag({"run": folder.name, "panel": panel.identity, "commit": runs.commit, "device": device})
    job = Job(training_data, network, training, folder, tracker, group, watchers, at_start)
    alone = runs.open_to_train(folder) if group.is_first else nullcontext()
    with listen_for_signals() as listener, alone, using_threads(threads.threads):
        _logger.info("run %s: %d steps on %s; see %s", folder.name, steps, device, folder)
        _logger.info("threads: %d, %s", *threads)
        _log_length(training)
        for shortage in training_data.split.shortages().values():
            _logger.warning("%s, %s", training_data.split.name, shortage)
        members = tuple(job.train(seed, listener) for seed in training.all_seeds)
    return TrainedRun(run=folder.name, members=members)


def _log_length(training: TrainingParams) -> None:
    """Log what a shortened training leaves out."""
    if training.steps_per_phase:
        _logger.warning("%d steps of every phase show that training runs, not how good it is", training.steps_per_phase)
    if training.skipped_phases:
        _logger.warning("%d epochs leave out the phases %s", training.epochs, ", ".join(training.skipped_phases))


def _open_run(training_data: TrainingData, trainer: Trainer, runs: Runs) -> tuple[Path, ThreadChoice]:
    """Make a run's folder, or find the one to go on in; choose the threads, or take those that it began with."""
    network, training = trainer.network.params, trainer.params
    if training.resume is not None:
        folder = runs.find(training.resume)
        mine = make_identity(training_data, network, training)
        manifest = read_json(folder / MANIFEST)
        mine.require_same(folder, manifest["identity"])
        (folder / STOP_FILE).unlink(missing_ok=True)
        runs.point_at(folder.name)
        return folder, keep_threads(manifest["threads"], training.threads)
    threads = choose_threads(trainer)
    return runs.begin(describe(training_data, trainer, runs, threads.threads)), threads


def make_trainer(
    training_data: TrainingData, network: NetworkParams, training: TrainingParams, group: ProcessGroup
) -> Trainer:
    """Make the network and its courses."""
    torch.manual_seed(training.seed)
    panel = training_data.panel
    model = Atft(network, len(panel.metadata.features), panel.metadata.horizons, training_data.graphs.edges.shape[-1])
    training.selection.weigh_horizons(panel.metadata.horizons)
    for phase in training.curriculum:
        phase.weigh_horizons(panel.metadata.horizons)
        phase.require_trainable(name for name, _ in model.named_children())
    splits: tuple[SplitName, ...] = ("train", "validation")
    train, validation = (
        training_data.loader(split, network.lookback, training.days_per_block, training.seed, group) for split in splits
    )
    return Trainer(model.to(panel.row_of.device), train, validation, training, group=group)


def describe(training_data: TrainingData, trainer: Trainer, runs: Runs, threads: int) -> dict[str, object]:
    """Write down what a run is made of."""
    network, training = trainer.network.params, trainer.params
    return {
        "commit": runs.commit,
        "is_dirty": runs.is_dirty,
        "identity": vars(make_identity(training_data, network, training)),
        "panel": training_data.panel.identity,
        "entry_lag": training_data.panel.metadata.entry_lag,
        "feature_hash": training_data.panel.metadata.feature_hash,
        "features": len(training_data.panel.metadata.features),
        "split": training_data.split.model_dump(mode="json"),
        "graph": training_data.graphs_recipe and training_data.graphs_recipe.model_dump(mode="json"),
        "network": network.model_dump(mode="json"),
        "training": training.model_dump(mode="json"),
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "device": str(training_data.panel.features.device),
        "threads": threads,
    }
