"""What is found of a training: how it is, what was measured, and what to change."""

from collections.abc import Callable, Iterable
from math import isfinite
from typing import Annotated, Literal

import numpy as np
from pydantic import BeforeValidator, Field

from ..params import Params
from .training_log import Floats, PhaseTrace, Trace

State = Literal["ok", "watch", "trouble"]
STATES: tuple[State, ...] = ("ok", "watch", "trouble")  # the worst last
Measure = Callable[[PhaseTrace], float | None]

FEWEST_EPOCHS = 5  # for fewer do not tell how much an epoch's score jumps
HIGHEST = 0.01  # learning rate of AdamW that a network as this one stands, mostly
LEAP = 10.0  # the most that a rate is raised at once
TYPICAL = 1.4826  # a normal distribution's standard deviation, in median deviations


def _keep_finite(numbers: dict[str, float]) -> dict[str, float]:
    """Leave out what JSON has no number for."""
    return {name: value for name, value in numbers.items() if isfinite(value)}


class Finding(Params):
    """One thing about a training, or about one of its seeds."""

    about: str
    state: State
    measured: str
    advice: tuple[str, ...] = ()  # none where all is well
    seed: int | None = None
    numbers: Annotated[dict[str, float], BeforeValidator(_keep_finite)] = Field(default_factory=dict)


def find_worst(*states: tuple[bool, State]) -> State:
    """Choose the worst of the states that hold."""
    return max((state for holds, state in states if holds), key=STATES.index, default="ok")


def pick(phases: Iterable[PhaseTrace], measure: Measure) -> tuple[PhaseTrace, float] | None:
    """Find the phase of which a measure is largest, the longest of several; None where no phase has it."""
    known = [(phase, value) for phase in phases if (value := measure(phase)) is not None]
    return max(known, key=lambda pair: (pair[1], len(pair[0].number)), default=None)


def measure_jitter(values: Floats) -> float:
    """Say how far a value typically lies off the line through its neighbours; 0 where there are too few."""
    if len(values) < FEWEST_EPOCHS:
        return 0.0
    off = values[1:-1] - (values[:-2] + values[2:]) / 2
    return float(TYPICAL * np.median(np.abs(off)) / np.sqrt(1.5))


def set_param(name: str, value: float, now: float) -> str:
    """Advise another value of a parameter."""
    return f"--params {name}={_write(value)} (now {now:g})"


def set_in_phase(phase: PhaseTrace, name: str, value: float, now: float) -> str:
    """Advise another value of a phase's parameter, which only a file can give."""
    return f"training.phases[{phase.place}].{name}: {_write(value)} (now {now:g})"


def set_rate(trace: Trace, phase: PhaseTrace, factor: float) -> str:
    """Advise another learning rate: of all phases where it is the fastest's, else of this one."""
    now = phase.params.learning_rate
    value = min(now * min(factor, LEAP), max(HIGHEST, now) if factor > 1 else HIGHEST)
    if now == max(each.learning_rate for each in trace.training.curriculum):
        return set_param("training.learning_rate", value, now)
    written = trace.training.phases[phase.place].learning_rate
    return set_in_phase(phase, "learning_rate", value * written / now, written)


def set_decay(trace: Trace, factor: float) -> str:
    """Advise another weight decay."""
    now = trace.training.weight_decay
    return set_param("training.weight_decay", now * factor if now else 0.1 * factor, now)


def _write(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def name_phase(trace: Trace, phase: PhaseTrace) -> str:
    """Name a phase, where there are several."""
    return f"phase {phase.params.name}: " if len(trace.training.phases) > 1 else ""


def enlist(names: Iterable[str], most: int = 4) -> str:
    """List the first of some names, and say how many there are besides."""
    known = list(names)
    more = f" and {len(known) - most} more" if len(known) > most else ""
    return ", ".join(known[:most]) + more
