"""Checks of the train loss and the learning rate."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ..checks import choose_severity
from .check_result import (
    STD_PER_MEDIAN_ABSOLUTE_DEVIATION,
    TrainingCheck,
    advise_learning_rate,
    advise_phase_param,
    find_phase_with_largest,
    phase_prefix,
)
from .training_log import Floats, PhaseLog, SeedLog, TrainingLog

MIN_STEPS = 30  # a phase with fewer steps is not checked for spikes
WINDOW = 25  # each loss is compared with the median of so many steps around it
SPIKE_DEVIATIONS, SPIKE_SHARE = 8.0, 0.1  # a spike is above the median by both: 8 deviations and 10 % of the median
RARE_SPIKES, FREQUENT_SPIKES = 0.01, 0.05  # more spikes than these shares of steps are a warning and an error
SIGNIFICANT_STANDARD_ERRORS = 3.0  # a rise of the loss by fewer standard errors may be chance
MAX_LOST_SHARE = 0.5  # of the fall of the loss; a larger share is a warning, more than all of it an error
MAX_RISE = 0.5  # above the loss of the first step, as a share of it (of 1 if it is smaller); more is an error
MIN_MOVE, SMALL_MOVE = 1e-3, 1e-2  # a smaller largest move of a weight is an error and a warning; weights are about 0.1


def check_spikes(log: TrainingLog, seed: SeedLog) -> TrainingCheck | None:
    """Check for steps whose loss is far above that of the steps around them."""
    found = find_phase_with_largest(seed.phases, _measure_spike_share)
    if found is None:
        return None
    phase, share = found
    steps, _ = phase.select_finite("loss")
    heights, is_spike = _measure_heights(phase)
    highest = int((np.where(is_spike, heights, -np.inf) if share else heights).argmax())
    text = (
        f"{share:.1%} of the steps have a spike; the highest" if share else "no step has a spike; the largest deviation"
    )
    clip, median_gradient = phase.params.clip_norm, float(np.nanmedian(phase.steps["gradient"]))
    advice = [advise_learning_rate(log, phase, 0.5)]
    if median_gradient < clip:
        advice.append(advise_phase_param(phase, "clip_norm", median_gradient, clip))
    return TrainingCheck(
        name="loss spikes",
        severity=choose_severity((share > RARE_SPIKES, "warn"), (share > FREQUENT_SPIKES, "error")),
        message=f"{phase_prefix(log, phase)}{text} is in step {steps[highest]:,}, {heights[highest]:.1f} deviations "
        "above the steps around it",
        advice=tuple(advice),
        numbers={"share": share, "highest": float(heights[highest])},
    )


def _measure_heights(phase: PhaseLog) -> tuple[Floats, NDArray[np.bool_]]:
    """Return how far each loss is above the moving median, in robust deviations, and which are spikes."""
    _, losses = phase.select_finite("loss")
    median = np.median(sliding_window_view(np.pad(losses, WINDOW // 2, mode="reflect"), WINDOW), axis=1)
    excess = losses - median
    heights = excess / max(float(STD_PER_MEDIAN_ABSOLUTE_DEVIATION * np.median(np.abs(excess))), 1e-12)
    return heights, (heights > SPIKE_DEVIATIONS) & (excess > SPIKE_SHARE * np.abs(median))


def _measure_spike_share(phase: PhaseLog) -> float | None:
    """Measure the share of steps with a spike; None for fewer than `MIN_STEPS` steps."""
    _, losses = phase.select_finite("loss")
    return float(np.mean(_measure_heights(phase)[1])) if len(losses) >= MIN_STEPS else None


def check_divergence(log: TrainingLog, seed: SeedLog) -> TrainingCheck | None:
    """Check for a train loss that rises again, or ends far above that of the first step."""
    found = find_phase_with_largest(seed.phases, _measure_lost_share)
    if found is None:
        return None
    phase, lost_share = found
    first, losses = float(phase.select_finite("loss")[1][0]), phase.train_losses
    last, best = float(losses[-1]), int(np.nanargmin(losses))
    message = f"{phase_prefix(log, phase)}train loss {losses[0]:.4g} in epoch 1"
    message += f", {last:.4g} in epoch {len(losses)}" if len(losses) > 1 else ""
    message += f", lowest {losses[best]:.4g} in epoch {best + 1}" if 0 < best < len(losses) - 1 else ""
    message += f"; the phase's first step had {first:.4g}" if np.isinf(lost_share) else ""
    return TrainingCheck(
        name="divergence",
        severity=choose_severity((lost_share > MAX_LOST_SHARE, "warn"), (lost_share > 1, "error")),
        message=message,
        advice=(advise_learning_rate(log, phase, 0.3),),
        numbers={"first": first, "lowest": float(losses[best]), "last": last},
    )


def _measure_lost_share(phase: PhaseLog) -> float | None:
    """Measure the share of the fall of the train loss that is lost again in the last epoch.

    It is 0 if the rise may be chance, infinite if the loss ends far above that of the first step, and None for a phase
    without an epoch.
    """
    epochs, (_, steps) = phase.train_losses, phase.select_finite("loss")
    if not len(epochs) or not len(steps):
        return None
    if epochs[-1] - steps[0] > MAX_RISE * max(abs(steps[0]), 1.0):
        return np.inf
    lost, fall = epochs[-1] - epochs.min(), epochs[0] - epochs.min()
    # successive losses differ by sqrt(2) times the noise of one; the mean of an epoch has the noise of all its steps
    noise = (
        STD_PER_MEDIAN_ABSOLUTE_DEVIATION * np.median(np.abs(np.diff(steps))) / np.sqrt(2) if len(steps) > 2 else 0.0
    )
    smallest_significant = SIGNIFICANT_STANDARD_ERRORS * float(noise) * np.sqrt(len(epochs) / len(steps))
    return float(lost / max(fall, smallest_significant, 1e-12)) if lost > smallest_significant else 0.0


def check_learning_rate(log: TrainingLog, seed: SeedLog) -> TrainingCheck | None:
    """Check whether the steps are large enough to move the weights."""
    rates = [phase.steps["learning_rate"] for phase in seed.phases if len(phase.step_numbers)]
    if not rates:
        return None
    done, last = sum(map(len, rates)), float(rates[-1][-1])
    steps = log.count_planned_steps(seed, done)
    move = measure_largest_move(seed) * steps / done
    return TrainingCheck(
        name="learning rate",
        severity=choose_severity((move < SMALL_MOVE, "warn"), (move < MIN_MOVE, "error")),
        message=f"{last:.2g} in the last step; at the mean rate so far, all {steps:,} steps together can move a weight "
        f"by at most {move:.2g}",
        advice=(advise_learning_rate(log, seed.highest_rate_phase, max(10.0, 1 / max(move, 1e-9))),),
        numbers={"last": last, "largest_move": move},
    )


def measure_largest_move(seed: SeedLog) -> float:
    """Measure how far all steps can have moved a weight; AdamW moves it by about the rate."""
    return float(sum(phase.steps["learning_rate"].sum() for phase in seed.phases))
