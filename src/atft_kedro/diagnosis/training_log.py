"""The log of a training by seed and phase, read from its run folder while it trains or afterwards."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..evaluation.daily_statistics import Mean
from ..evaluation.run_scores import SCORE, read_score
from ..evaluation.score import RunScore
from ..files import parse_model, read_json, read_json_lines
from ..panel.split import Split
from ..params import InputError
from ..training.failure_checks import NAN_BATCHES
from ..training.params import SelectionParams, TrainingParams
from ..training.phases import PhaseParams
from ..training.run_status import RunStatus, read_status, read_training
from ..training.runs import HEARTBEAT, MANIFEST, METRICS, read_manifest

Floats = NDArray[np.float64]
Line = Mapping[str, Any]
STEP_COLUMNS = {"loss", "gradient", "learning_rate", "skipped"}
MODULE_GRADIENT = "gradient/"  # prefix of a module's gradient norm


@dataclass(frozen=True)
class EpochEntry:
    """One epoch; a value that an older run or a CPU does not have is None or empty."""

    phase: str
    epoch: int  # of the phase
    epochs: int  # of the training
    steps: int  # of the training
    train_loss: float
    seconds: float
    forecasts_per_second: float
    validation: dict[str, float]
    train: dict[str, float] = field(default_factory=dict)
    cpu_seconds: float | None = None
    reading_seconds: float | None = None
    pieces: int = 1
    peak_memory_gb: float | None = None
    memory_gb: float | None = None  # at the epoch's end
    peak_gpu_memory_gb: float | None = None
    gpu_memory_total_gb: float | None = None
    gpu_memory_retries: float = 0.0  # allocations of the GPU that failed at first, so far
    gpu_utilisation: float | None = None  # percent
    gpu_temperature: float | None = None  # °C


@dataclass(frozen=True)
class SkippedStep:
    """A step that was skipped because its loss or gradient was not finite."""

    seed: int
    step: int
    phase: str
    not_finite: list[str]
    days: list[str]
    codes_with_infinite_features: list[str]
    infinite_features: dict[str, int]


Record = TypeVar("Record", EpochEntry, SkippedStep)


def _read_record(record: type[Record], line: Line) -> Record:
    """Create a record from the fields of a log line that it knows."""
    return record(**{column.name: line[column.name] for column in fields(record) if column.name in line})


@dataclass(frozen=True)
class PhaseLog:
    """One phase of one seed's training: its epochs and steps so far."""

    index: int  # in training.phases
    params: PhaseParams
    epochs: tuple[EpochEntry, ...]
    step_numbers: NDArray[np.int64]  # counted over the whole training
    steps: Mapping[str, Floats]  # one column per STEP_COLUMNS and module gradient; NaN where not written

    @property
    def train_losses(self) -> Floats:
        """Train losses of the epochs."""
        return np.array([epoch.train_loss for epoch in self.epochs])

    def select_finite(self, column: str) -> tuple[NDArray[np.int64], Floats]:
        """Select the numbers and values of the steps with a finite value in a column."""
        is_finite = np.isfinite(self.steps[column])
        return self.step_numbers[is_finite], self.steps[column][is_finite]


@dataclass(frozen=True)
class SeedLog:
    """One seed's training: the phases that have started."""

    seed: int
    selection: SelectionParams
    phases: tuple[PhaseLog, ...]
    swa: dict[str, float]  # validation scores of the averaged last epochs; empty before the end

    @property
    def epochs(self) -> list[EpochEntry]:
        """Epochs of all phases."""
        return [epoch for phase in self.phases for epoch in phase.epochs]

    @property
    def last_phase(self) -> PhaseLog:
        """Phase of the last epoch."""
        return next(phase for phase in self.phases if self.epochs[-1] in phase.epochs)

    @property
    def highest_rate_phase(self) -> PhaseLog:
        """Phase with the highest learning rate."""
        return max(self.phases, key=lambda phase: phase.params.learning_rate)


@dataclass(frozen=True)
class TrainingLog:
    """Everything that a run has written about its training."""

    run: str
    training: TrainingParams
    network: Mapping[str, Any]  # its parameters
    split: Split | None  # None for an older run
    device: str
    status: RunStatus | None  # None before the first step
    seeds: tuple[SeedLog, ...]
    skipped: tuple[SkippedStep, ...]
    score: RunScore | None  # None if the run has no readable scores
    score_error: str | None = None  # why the scores cannot be read

    def is_running(self, seed: SeedLog) -> bool:
        """Check whether a seed is being trained now."""
        return self.status is not None and self.status.state == "training" and self.status.seed == seed.seed

    def is_done(self, seed: SeedLog) -> bool:
        """Check whether a seed's training has finished as planned."""
        return self.status is not None and (self.status.state == "done" or self.status.seed != seed.seed)

    def count_planned_steps(self, seed: SeedLog, done: int) -> int:
        """Count the steps at the end of a seed's training."""
        return self.status.total_steps if self.status is not None and self.is_running(seed) else done

    @property
    def rank_ic(self) -> dict[str, Mean]:
        """Rank IC over the shortest horizon, by split; empty for a run without scores."""
        splits = self.score.split if self.score else {}
        return {name: horizons[min(horizons)].rank_ic for name, horizons in splits.items()}

    @property
    def scored_horizon(self) -> int | None:
        """Shortest horizon of the run's scores, in days; None without scores."""
        splits = self.score.split.values() if self.score else ()
        return min((horizon for horizons in splits for horizon in horizons), default=None)

    @property
    def horizon(self) -> int | None:
        """Shortest horizon with a validation rank IC, in days."""
        names = (name for seed in self.seeds for epoch in seed.epochs for name in epoch.validation)
        days = [int(name[8:-1]) for name in names if name.startswith("rank_ic_")]
        return min(days, default=None)


def read_training_log(folder: Path) -> TrainingLog:
    """Read a run's log; an unfinished last line is ignored."""
    manifest, training = read_manifest(folder), read_training(folder)
    log, skipped_log = folder / METRICS, folder / NAN_BATCHES
    lines = read_json_lines(log) if log.exists() else []
    skipped = read_json(skipped_log) if skipped_log.exists() else []
    status = read_status(folder) if (folder / HEARTBEAT).exists() else None
    if not lines and not skipped and status is None:
        raise InputError(f"Run {folder.name} has written nothing yet: it has not made its first step.")
    score, score_error = None, None
    try:
        score = read_score(folder) if (folder / SCORE).exists() else None
    except InputError as error:
        score_error = str(error)
    return TrainingLog(
        run=folder.name,
        training=training,
        network=manifest["network"],
        split=parse_model(manifest["split"], Split, folder / MANIFEST) if "split" in manifest else None,
        device=manifest["device"],
        status=status,
        seeds=tuple(_group_by_seed(lines, training)),
        skipped=tuple(_read_record(SkippedStep, line) for line in skipped),
        score=score,
        score_error=score_error,
    )


def _group_by_seed(lines: Sequence[Line], training: TrainingParams) -> Iterator[SeedLog]:
    """Group lines by seed; of a step or epoch that a resumed run repeated, the last line counts."""
    for seed in dict.fromkeys(line["seed"] for line in lines):
        seed_lines = [line for line in lines if line["seed"] == seed]
        steps = {line["step"]: line for line in seed_lines if "step" in line}
        by_number = {line["epochs"]: _read_record(EpochEntry, line) for line in seed_lines if "train_loss" in line}
        epochs = [by_number[number] for number in sorted(by_number)]
        swa: dict[str, float] = next((line["swa"] for line in reversed(seed_lines) if "swa" in line), {})
        yield SeedLog(seed, training.selection, tuple(_group_by_phase(epochs, list(steps.values()), training)), swa)


def _group_by_phase(
    epochs: Sequence[EpochEntry], steps: Sequence[Line], training: TrainingParams
) -> Iterator[PhaseLog]:
    """Group epochs and steps by phase; a step whose line has no phase belongs to its epoch's phase."""
    phases = {phase.name: phase for phase in training.curriculum}
    indices = {phase.name: index for index, phase in enumerate(training.phases)}
    numbers = np.array([line["step"] for line in steps], dtype=np.int64)
    epoch_indices = np.searchsorted([epoch.steps for epoch in epochs], numbers)
    epoch_phases = [epoch.phase for epoch in epochs]
    epoch_phases.append(epoch_phases[-1] if epoch_phases else next(iter(phases)))  # of steps after the last epoch
    step_phases = np.array(
        [line.get("phase", epoch_phases[index]) for line, index in zip(steps, epoch_indices, strict=True)]
    )
    started = {*(epoch.phase for epoch in epochs), *step_phases.tolist()}
    for name in (name for name in phases if name in started):
        yield PhaseLog(
            index=indices[name],
            params=phases[name],
            epochs=tuple(epoch for epoch in epochs if epoch.phase == name),
            step_numbers=numbers[step_phases == name],
            steps=_build_columns([line for line, phase in zip(steps, step_phases, strict=True) if phase == name]),
        )


def _build_columns(lines: Sequence[Line]) -> dict[str, Floats]:
    """Build one array per column of the steps' lines."""
    names = STEP_COLUMNS | {name for line in lines for name in line if name.startswith(MODULE_GRADIENT)}
    return {name: np.array([line.get(name, np.nan) for line in lines], dtype=np.float64) for name in sorted(names)}
