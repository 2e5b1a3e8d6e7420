"""What a training has written down on its way, by seed and phase, whether it is done or still runs."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..evaluation.daily_statistics import Mean
from ..evaluation.run_scores import read_score
from ..evaluation.score import RunScore
from ..files import parse_model, read_json, read_json_lines
from ..panel.split import Split
from ..params import InputError
from ..training.failure_checks import NAN_BATCHES
from ..training.params import TrainingParams
from ..training.phases import PhaseParams
from ..training.run_status import RunStatus, read_manifest, read_status, read_training
from ..training.runs import HEARTBEAT, MANIFEST, METRICS
from ..training.selection import SelectionParams

Floats = NDArray[np.float64]
Line = Mapping[str, Any]


@dataclass(frozen=True)
class Epoch:
    """An epoch's line; what an older run did not write, or a CPU does not have, is null or empty."""

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
    gpu_memory_retries: float = 0.0  # how often the GPU's allocator ran short so far
    gpu_utilisation: float | None = None  # percent
    gpu_temperature: float | None = None  # °C

    @classmethod
    def read(cls, line: Line) -> Self:
        """Take the line's numbers that are known here."""
        return cls(**{each.name: line[each.name] for each in fields(cls) if each.name in line})


@dataclass(frozen=True)
class PhaseTrace:
    """One phase of one seed's training: its epochs so far, and its steps."""

    seed: int
    place: int  # in training.phases
    params: PhaseParams
    planned: int  # epochs
    epochs: tuple[Epoch, ...]
    number: NDArray[np.int64]  # of each step, in the training
    steps: Mapping[str, Floats]  # each step's loss, gradient, learning_rate, skipped; gradient/… NaN where not written

    @property
    def losses(self) -> Floats:
        """List the epochs' train losses."""
        return np.array([epoch.train_loss for epoch in self.epochs])


@dataclass(frozen=True)
class SeedTrace:
    """One seed's training: the phases that it has begun."""

    seed: int
    selection: SelectionParams
    phases: tuple[PhaseTrace, ...]
    swa: dict[str, float]  # how the average of the last epochs does; empty before the end

    @property
    def epochs(self) -> list[Epoch]:
        """List the epochs of all phases."""
        return [epoch for phase in self.phases for epoch in phase.epochs]

    def phase_of(self, epoch: Epoch) -> PhaseTrace:
        """Find the phase that an epoch is of."""
        return next(phase for phase in self.phases if epoch in phase.epochs)


@dataclass(frozen=True)
class Skipped:
    """A step that was skipped because something was not finite."""

    seed: int
    step: int
    phase: str
    not_finite: list[str]
    days: list[str]
    codes_with_infinite_features: list[str]
    infinite_features: dict[str, int]

    @classmethod
    def read(cls, told: Line) -> Self:
        """Take what is known here."""
        return cls(**{each.name: told[each.name] for each in fields(cls)})


@dataclass(frozen=True)
class Trace:
    """A run as its folder tells it."""

    run: str
    training: TrainingParams
    network: Mapping[str, Any]  # its sizes
    split: Split | None  # None of an older run
    device: str
    status: RunStatus | None  # None before the first step
    seeds: tuple[SeedTrace, ...]
    skipped: tuple[Skipped, ...]
    score: RunScore | None  # None before the run is scored, and where its scores cannot be read
    unreadable: str | None = None  # why they cannot

    def is_running(self, seed: SeedTrace) -> bool:
        """Say whether a seed is being trained now."""
        return self.status is not None and self.status.state == "training" and self.status.seed == seed.seed

    def is_done(self, seed: SeedTrace) -> bool:
        """Say whether a seed's training came to its own end."""
        return self.status is not None and (self.status.state == "done" or self.status.seed != seed.seed)

    def plan(self, seed: SeedTrace, done: int) -> int:
        """Count the steps that a seed will have made at its end."""
        return self.status.total_steps if self.status is not None and self.is_running(seed) else done

    @property
    def rank_ic(self) -> dict[str, Mean]:
        """Return each part's rank IC over the shortest horizon, where the run is scored."""
        split = self.score.split if self.score else {}
        return {part: next(iter(horizons.values())).rank_ic for part, horizons in split.items()}

    @property
    def horizon(self) -> int | None:
        """Name the shortest horizon."""
        named = (name for seed in self.seeds for epoch in seed.epochs for name in epoch.validation)
        days = [int(name[8:-1]) for name in named if name.startswith("rank_ic_")]
        return min(days, default=None)


def read_trace(folder: Path) -> Trace:
    """Read all that a run has written; a line that is being written is left for the next time."""
    manifest, training = read_manifest(folder), read_training(folder)
    log, nans = folder / METRICS, folder / NAN_BATCHES
    lines = read_json_lines(log) if log.exists() else []
    skipped = read_json(nans) if nans.exists() else []
    status = read_status(folder) if (folder / HEARTBEAT).exists() else None
    if not lines and not skipped and status is None:
        raise InputError(f"Run {folder.name} has written nothing yet: it has not made its first step.")
    score, unreadable = _read_score(folder)
    return Trace(
        run=folder.name,
        training=training,
        network=manifest["network"],
        split=parse_model(manifest["split"], Split, folder / MANIFEST) if "split" in manifest else None,
        device=manifest["device"],
        status=status,
        seeds=tuple(_trace_seeds(lines, training)),
        skipped=tuple(Skipped.read(each) for each in skipped),
        score=score,
        unreadable=unreadable,
    )


def _read_score(folder: Path) -> tuple[RunScore | None, str | None]:
    """Read a run's scores; or why they cannot be read."""
    try:
        return read_score(folder, is_asked=False), None
    except InputError as error:
        return None, str(error)


def _trace_seeds(lines: Sequence[Line], training: TrainingParams) -> Iterator[SeedTrace]:
    """Sort lines by seed; what was done twice, for a training was killed and went on, counts as it was done last."""
    for seed in dict.fromkeys(line["seed"] for line in lines):
        mine = [line for line in lines if line["seed"] == seed]
        steps = {line["step"]: line for line in mine if "step" in line}
        epochs = {line["epochs"]: Epoch.read(line) for line in mine if "train_loss" in line}
        swa: dict[str, float] = next((line["swa"] for line in reversed(mine) if "swa" in line), {})
        told = [epochs[number] for number in sorted(epochs)]
        yield SeedTrace(seed, training.selection, tuple(_trace_phases(seed, told, list(steps.values()), training)), swa)


def _trace_phases(
    seed: int, epochs: Sequence[Epoch], steps: Sequence[Line], training: TrainingParams
) -> Iterator[PhaseTrace]:
    """Assign epochs and steps to phases; a step whose line names no phase has its epoch's."""
    phases = {phase.name: phase for phase in training.curriculum}
    names, known = [epoch.phase for epoch in epochs], list(phases)
    number = np.array([line["step"] for line in steps], dtype=np.int64)
    of_epoch = np.searchsorted([epoch.steps for epoch in epochs], number)
    of_epochs = [*names, names[-1] if names else known[0]]
    of_phase = np.array([line.get("phase", of_epochs[place]) for line, place in zip(steps, of_epoch, strict=True)])
    for name in (name for name in known if name in {*names, *of_phase.tolist()}):
        mine = [line for line, of in zip(steps, of_phase, strict=True) if of == name]
        yield PhaseTrace(
            seed=seed,
            place=[phase.name for phase in training.phases].index(name),
            params=phases[name],
            planned=phases[name].epochs,
            epochs=tuple(epoch for epoch in epochs if epoch.phase == name),
            number=number[of_phase == name],
            steps=_gather(mine),
        )


def _gather(lines: Iterable[Line]) -> dict[str, Floats]:
    """Bring steps' numbers to columns."""
    mine = list(lines)
    names = {name for line in mine for name in line if name.startswith("gradient/")}
    names |= {"loss", "gradient", "learning_rate", "skipped"}
    return {name: np.array([line.get(name, np.nan) for line in mine], dtype=np.float64) for name in sorted(names)}
