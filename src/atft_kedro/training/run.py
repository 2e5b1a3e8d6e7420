"""Training of one network or several in a run folder, new or resumed."""

import logging
import platform
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from math import isnan
from pathlib import Path

import torch

from ..loss_checks import require_usable
from ..network.atft import Atft
from ..network.convolution import require_usable_layer
from ..network.params import NetworkParams
from ..panel.split import Split
from .callbacks import Checkpoints, EpochLog, MetricsLog
from .checkpoint import BEST, LAST, Identity, make_identity, read_checkpoint, require_same_structure
from .data import TrainingData, choose_days_per_block, choose_horizons, count_stocks_per_day
from .distributed import TrainingProcesses, join_process_group
from .engine import Callback, Trainer
from .failure_checks import CollapseCheck, NonFiniteCheck, debug_mode, set_deterministic_workspace
from .hardware import ThreadChoice, choose_device, choose_threads, keep_freed_memory, keep_threads, using_threads
from .initial_weights import (
    find_learned_until,
    find_trained_until,
    load_initial_weights,
    require_usable_weights,
    resolve_init_from,
)
from .params import TrainingParams
from .process_control import Heartbeat, StopFile, StopSignal, receive_stop_signals
from .refit import RefitTrainer, read_recipe, read_validation_scores
from .runs import MANIFEST, METRICS, STOP_FILE, EnsembleMember, Runs, TrainedRun, read_manifest
from .telemetry import restart_peak
from .tracking import NO_TRACKER, Tracker, TrackerLog

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunTrainer:
    """Trains the networks of one run."""

    training_data: TrainingData
    network: NetworkParams
    training: TrainingParams
    folder: Path
    tracker: Tracker
    group: TrainingProcesses
    callbacks: Sequence[Callback]
    memory_at_start: Mapping[str, float]  # of this process, before the training

    def train(self, seed: int, stop_signal: StopSignal) -> EnsembleMember:
        """Train the network of one of the run's seeds, or resume it."""
        training = self.training.model_copy(update={"seed": seed})
        folder = self.folder / training.member_folder(seed)
        folder.mkdir(exist_ok=True)
        identity = make_identity(self.training_data, self.network, training)
        trainer = make_trainer(self.training_data, self.network, training, self.group)
        if isinstance(trainer, RefitTrainer):
            trainer.recipe_scores = read_validation_scores(self.folder.parent / str(training.refit_of), seed)
        if self.training.resume is not None and not (folder / LAST).exists():
            _logger.info("seed %d has no checkpoint yet: it starts from the beginning", seed)
        if self.training.resume is not None and (folder / LAST).exists():
            checkpoint = read_checkpoint(folder / LAST, identity)
            require_same_structure(folder / LAST, checkpoint, trainer.state())
            trainer.resume(checkpoint)
            _logger.info("seed %d resumes after step %d", seed, trainer.progress.steps_done)
        elif training.init_from is not None:
            source_seed = load_initial_weights(trainer, self.folder.parent / training.init_from)
            _logger.info("seed %d starts from run %s, seed %d", seed, training.init_from, source_seed)
        callbacks = [*self._make_callbacks(training, folder, identity), *self.callbacks] if self.group.is_first else []
        trainer.callbacks = [stop_signal, *callbacks]
        with debug_mode(trainer.network, training):
            trainer.fit()
        progress = trainer.progress
        return EnsembleMember(
            seed=seed,
            folder=str(folder.relative_to(self.folder)),
            best_score=None if progress.best is None or isnan(progress.best) else progress.best,
            epochs=len(progress.history),
            steps=progress.steps_done,
        )

    def _make_callbacks(self, training: TrainingParams, folder: Path, identity: Identity) -> list[Callback]:
        """Create the callbacks in their order: failures are found before a checkpoint is written."""
        prefix = f"seed_{training.seed}/" if training.seeds > 1 else ""
        run_files = (self.folder / MANIFEST, self.folder / METRICS)
        seeds_after = self.training.all_seeds[-1] - training.seed
        return [
            NonFiniteCheck(self.folder, training.nan_budget),
            MetricsLog(self.folder, training.log_every),
            Checkpoints(folder, identity, training.keep_epochs),
            StopFile(self.folder),
            Heartbeat(self.folder, seeds_after=seeds_after, memory_at_start=self.memory_at_start),
            EpochLog(),
            TrackerLog(self.tracker, prefix, (folder / BEST,), run_files),
            CollapseCheck(training.collapse),
        ]


def train_in_run(
    training_data: TrainingData,
    network: NetworkParams,
    training: TrainingParams,
    runs: Runs,
    *,
    tracker: Tracker = NO_TRACKER,
    callbacks: Sequence[Callback] = (),
) -> TrainedRun:
    """Train in a new run, or resume the run of ``training.resume``; every process calls this."""
    if training.refit_of is not None:
        network, training = read_recipe(training, training_data.panel.identity, runs)
    keep_freed_memory()
    set_deterministic_workspace(training)
    memory_at_start, group = restart_peak(), join_process_group()
    panel = choose_horizons(training_data.panel, network.horizons)
    training = choose_days_per_block(training, count_stocks_per_day(panel))
    training_data = replace(training_data, panel=panel).to(choose_device(training.device))
    training = resolve_init_from(training, runs)  # before the line below, after which `latest` is another run
    group.require_same_tables(f"{panel.identity} {training_data.digest}")
    # Invalid parameters are refused here, before a run is created.
    trainer = make_trainer(training_data, network, training, group)
    if training.init_from is not None and training.resume is None:
        require_usable_weights(trainer, panel.metadata, training_data.split, runs.folder / training.init_from)
    steps = len(training.all_seeds) * trainer.total_steps
    folder, threads = group.broadcast(_open_run(training_data, trainer, runs) if group.is_first else None)
    del trainer
    device = str(training_data.panel.row_of.device)
    tracker.set_tags({"run": folder.name, "panel": panel.identity, "commit": runs.commit, "device": device})
    run_trainer = RunTrainer(training_data, network, training, folder, tracker, group, callbacks, memory_at_start)
    lock = runs.lock_and_log(folder) if group.is_first else nullcontext()
    with receive_stop_signals() as stop_signal, lock, using_threads(threads.threads):
        _logger.info("run %s: %d steps on %s; see %s", folder.name, steps, device, folder)
        _logger.info("threads: %d, %s", *threads)
        _log_limits(training, training_data.split)
        members = tuple(run_trainer.train(seed, stop_signal) for seed in training.all_seeds)
    return TrainedRun(run=folder.name, members=members)


def _log_limits(training: TrainingParams, split: Split) -> None:
    """Log what limits the meaning of a training's scores."""
    if training.steps_per_phase:
        _logger.warning("%d steps per phase test only that training runs", training.steps_per_phase)
    if training.skipped_phases:
        _logger.warning("%d epochs leave out the phases %s", training.epochs, ", ".join(training.skipped_phases))
    if training.refit_of is not None:
        _logger.info("refit on all days: the validation scores below are those of run %s", training.refit_of)
    for shortage in split.shortages().values():
        _logger.warning("%s, %s", split.name, shortage)


def _open_run(training_data: TrainingData, trainer: Trainer, runs: Runs) -> tuple[Path, ThreadChoice]:
    """Create a run's folder and choose its threads, or find the run to resume with its threads."""
    network, training = trainer.network.params, trainer.params
    if training.resume is not None:
        folder = runs.find(training.resume)
        manifest = read_manifest(folder)
        make_identity(training_data, network, training).require_same(folder, manifest["identity"])
        (folder / STOP_FILE).unlink(missing_ok=True)
        runs.set_latest(folder.name)
        return folder, keep_threads(manifest["threads"], training.threads)
    threads = choose_threads(trainer)
    return runs.create(make_manifest(training_data, trainer, runs, threads.threads)), threads


def make_trainer(
    training_data: TrainingData, network: NetworkParams, training: TrainingParams, group: TrainingProcesses
) -> Trainer:
    """Create the network and its loaders; refuse parameters that do not fit the data."""
    torch.manual_seed(training.seed)
    panel, horizons = training_data.panel, training_data.panel.metadata.horizons
    model = Atft(network, len(panel.metadata.features), horizons, training_data.graphs.edges.shape[-1])
    training.selection.weigh_horizons(horizons)
    require_usable(training.load_losses())
    require_usable_layer(model.gat.attention, network, training_data.graphs.edges.shape[-1])
    for phase in training.curriculum:
        phase.weigh_horizons(horizons)
        phase.require_trainable(name for name, _ in model.named_children())
    days_per_block, seed = training.days_per_block, training.seed
    train_data = training_data if training.refit_of is None else training_data.train_on_all_days()
    train = train_data.loader("train", network.lookback, days_per_block, seed, group)
    validation = training_data.loader("validation", network.lookback, days_per_block, seed, group)
    trainer = Trainer if training.refit_of is None else RefitTrainer
    return trainer(model.to(panel.row_of.device), train, validation, training, group=group)


def make_manifest(training_data: TrainingData, trainer: Trainer, runs: Runs, threads: int) -> dict[str, object]:
    """Collect the code, data and parameters of a run."""
    network, training, panel = trainer.network.params, trainer.params, training_data.panel
    trained_until, validated_until = (
        panel.days[loader.days[-1]].item() for loader in (trainer.train, trainer.validation)
    )
    learned_until = max(trained_until, validated_until)
    if training.init_from is not None:
        source = read_manifest(runs.folder / training.init_from)
        learned_until = max(learned_until, find_learned_until(source))
        trained_until = max(trained_until, find_trained_until(source))
    return {
        "commit": runs.commit,
        "is_dirty": runs.is_dirty,
        "identity": vars(make_identity(training_data, network, training)),
        "panel": panel.identity,
        "entry_lag": panel.metadata.entry_lag,
        "feature_hash": panel.metadata.feature_hash,
        "features": len(panel.metadata.features),
        "horizons": panel.metadata.horizons,
        "learned_until": learned_until.isoformat(),
        "trained_until": trained_until.isoformat(),
        "split": training_data.split.model_dump(mode="json"),
        "graph": training_data.graph_params and training_data.graph_params.model_dump(mode="json"),
        "network": network.model_dump(mode="json"),
        "training": training.model_dump(mode="json"),
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "device": str(panel.features.device),
        "threads": threads,
    }
