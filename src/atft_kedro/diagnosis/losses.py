"""Checks of the train loss and the learning rate."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ..checks import choose_severity
from .check_result import (
    STD_PER_MEDIAN_DEVIATION,
    TrainingCheck,
    advise_learning_rate,
    advise_phase_param,
    find_largest,
    name_phase,
)
from .training_log import Floats, PhaseLog, SeedLog, TrainingLog

MIN_STEPS = 30  # of a phase, to know its usual loss
WINDOW = 25  # steps around a step, with whose median its loss is compared
SPIKE_DEVIATIONS, SPIKE_SHARE = 8.0, 0.1  # a spike is higher by both: in deviations, and as a share of the loss
RARE_SPIKES, FREQUENT_SPIKES = 0.01, 0.05  # shares of steps; clipping handles rare spikes
SIGNIFICANT = 3.0  # standard errors
LOST_GAIN = 0.5  # of what a phase had gained
BLOWN_UP = 0.5  # above the first step's loss, relative to it: worse than no training
NO_MOVE, LITTLE_MOVE = 1e-3, 1e-2  # largest possible changes of weights, which are about 0.1


def check_spikes(log: TrainingLog, seed: SeedLog) -> TrainingCheck | None:
    """Check for steps whose loss is far above that of the steps around them."""
    found = find_largest(seed.phases, _measure_spikes)
    if found is None:
        return None
    phase, share = found
    heights = _measure_heights(phase)[0]
    step = phase.step_numbers[np.isfinite(phase.steps["loss"])][heights.argmax()]
    clip, usual = phase.params.clip_norm, float(np.nanmedian(phase.steps["gradient"]))
    advice = [advise_learning_rate(log, phase, 0.5)]
    if usual < clip:
        advice.append(advise_phase_param(phase, "clip_norm", usual, clip))
    return TrainingCheck(
        name="loss spikes",
        severity=choose_severity((share > RARE_SPIKES, "warn"), (share > FREQUENT_SPIKES, "error")),
        message=f"{name_phase(log, phase)}{share:.1%} of the steps have one, the highest (step {step:,}) is "
        f"{heights.max():.1f} deviations above the steps around it",
        advice=tuple(advice),
        numbers={"share": share, "most": float(heights.max())},
    )


def _finite_losses(phase: PhaseLog) -> Floats:
    losses = phase.steps["loss"]
    return losses[np.isfinite(losses)]


def _measure_heights(phase: PhaseLog) -> tuple[Floats, Floats]:
    """Measure each loss above the median around it, in typical deviations; also return that median."""
    losses = _finite_losses(phase)
    around = np.median(sliding_window_view(np.pad(losses, WINDOW // 2, mode="reflect"), WINDOW), axis=1)
    heights = losses - around
    return heights / max(float(STD_PER_MEDIAN_DEVIATION * np.median(np.abs(heights))), 1e-12), around


def _measure_spikes(phase: PhaseLog) -> float | None:
    """Measure the share of steps with a spike; None for few steps."""
    losses = _finite_losses(phase)
    if len(losses) < MIN_STEPS:
        return None
    heights, around = _measure_heights(phase)
    return float(np.mean((heights > SPIKE_DEVIATIONS) & (losses - around > SPIKE_SHARE * np.abs(around))))


def check_divergence(log: TrainingLog, seed: SeedLog) -> TrainingCheck | None:
    """Check for a train loss that rises again, or above its first value."""
    found = find_largest(
        seed.phases, lambda phase: _measure_lost_gain(phase) if phase.epochs and len(_finite_losses(phase)) else None
    )
    if found is None:
        return None
    phase, lost = found
    first, losses = float(_finite_losses(phase)[0]), phase.train_losses
    last, best = float(losses[-1]), int(np.nanargmin(losses))
    has_blown_up = last - first > BLOWN_UP * max(abs(first), 1.0)
    message = f"{name_phase(log, phase)}train loss {losses[0]:.4g} in its epoch 1"
    message += f", {last:.4g} in epoch {len(losses)}" if len(losses) > 1 else ""
    message += f", lowest {losses[best]:.4g} in epoch {best + 1}" if 0 < best < len(losses) - 1 else ""
    message += f"; the phase's first step had {first:.4g}" if has_blown_up else ""
    return TrainingCheck(
        name="divergence",
        severity=choose_severity((lost > LOST_GAIN, "warn"), (has_blown_up or lost > 1, "error")),
        message=message,
        advice=(advise_learning_rate(log, phase, 0.3),),
        numbers={"first": first, "lowest": float(losses[best]), "last": last},
    )


def _measure_lost_gain(phase: PhaseLog) -> float:
    """Measure the share of a phase's gain that its last epoch has lost; 0 if that may be chance."""
    epochs, steps = phase.train_losses, _finite_losses(phase)
    lost, gained = epochs[-1] - epochs.min(), epochs[0] - epochs.min()
    noise = STD_PER_MEDIAN_DEVIATION * np.median(np.abs(np.diff(steps))) / np.sqrt(2) if len(steps) > 2 else 0.0
    chance = SIGNIFICANT * float(noise) * np.sqrt(len(epochs) / len(steps))
    return float(lost / max(gained, chance, 1e-12)) if lost > chance else 0.0


def check_learning_rate(log: TrainingLog, seed: SeedLog) -> TrainingCheck | None:
    """Check whether the steps are large enough: AdamW moves a weight by one rate per step."""
    rates = [phase.steps["learning_rate"] for phase in seed.phases if len(phase.step_numbers)]
    if not rates:
        return None
    done, last = sum(map(len, rates)), float(rates[-1][-1])
    steps, fastest = log.count_planned_steps(seed, done), max(seed.phases, key=lambda phase: phase.params.learning_rate)
    reach = measure_reach(seed) * steps / done
    return TrainingCheck(
        name="learning rate",
        severity=choose_severity((reach < LITTLE_MOVE, "warn"), (reach < NO_MOVE, "error")),
        message=f"{last:.2g} in the last step; all {steps:,} steps together can move a weight by {reach:.2g}",
        advice=(advise_learning_rate(log, fastest, max(10.0, 1 / max(reach, 1e-9))),),
        numbers={"last": last, "reach": reach},
    )


def measure_reach(seed: SeedLog) -> float:
    """Measure how far all steps together can have moved a weight."""
    return float(sum(phase.steps["learning_rate"].sum() for phase in seed.phases))
