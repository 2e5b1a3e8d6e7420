"""Check the losses for spikes, divergence and steps that are too small."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from .check_result import TYPICAL, Finding, find_worst, name_phase, pick, set_in_phase, set_rate
from .training_log import Floats, PhaseTrace, SeedTrace, Trace

FEWEST_STEPS = 30  # of a phase, for fewer have no usual loss
WINDOW = 25  # steps, whose median is what a loss in their middle is compared with
SPIKE, JUMP = 8.0, 0.1  # deviations above that, and of its size: wild days of returns make one of them, not both
SPIKE_SHARE, OFTEN = 0.01, 0.05  # of steps; a rare spike is clipped and forgotten, many are no training
NOISE = 3.0  # deviations that are no luck
LOST_SHARE = 0.5  # of what a phase had gained
BLOWN = 0.5  # on top of the first step's loss, and as much of it: worse than not to train at all
STILL, SLOW = 1e-3, 1e-2  # the most that weights of about 0.1 can have moved: not at all, and little


def check_spikes(trace: Trace, seed: SeedTrace) -> Finding | None:
    """Look for steps whose loss stands out from those around it."""
    found = pick(seed.phases, lambda phase: _count_spikes(phase) if len(_losses(phase)) >= FEWEST_STEPS else None)
    if found is None:
        return None
    phase, share = found
    heights = _rise(phase)
    at = phase.number[np.isfinite(phase.steps["loss"])][heights.argmax()]
    is_often = share > SPIKE_SHARE
    clip = phase.params.clip_norm
    usual = float(np.nanmedian(phase.steps["gradient"]))
    advice = (set_rate(trace, phase, 0.5), *([set_in_phase(phase, "clip_norm", usual, clip)] if usual < clip else []))
    return Finding(
        about="loss spikes",
        state=find_worst((is_often, "watch"), (share > OFTEN, "trouble")),
        measured=f"{name_phase(trace, phase)}{share:.1%} of the steps stand out, the highest (step {at:,}) by "
        f"{heights.max():.1f} deviations of the steps around it",
        advice=advice if is_often else (),
        seed=seed.seed,
        numbers={"share": share, "most": float(heights.max())},
    )


def _losses(phase: PhaseTrace) -> Floats:
    losses = phase.steps["loss"]
    return losses[np.isfinite(losses)]


def _around(phase: PhaseTrace) -> Floats:
    """Take the median of the losses around each step."""
    return np.median(sliding_window_view(np.pad(_losses(phase), WINDOW // 2, mode="reflect"), WINDOW), axis=1)


def _rise(phase: PhaseTrace) -> Floats:
    """Say by how many typical deviations each step's loss lies above the steps around it."""
    off = _losses(phase) - _around(phase)
    return off / max(float(TYPICAL * np.median(np.abs(off))), 1e-12)


def _count_spikes(phase: PhaseTrace) -> float:
    """Say which share of a phase's steps stand out."""
    around = _around(phase)
    return float(np.mean((_rise(phase) > SPIKE) & (_losses(phase) - around > JUMP * np.abs(around))))


def check_divergence(trace: Trace, seed: SeedTrace) -> Finding | None:
    """Look for a train loss that rises again, or above where it began."""
    found = pick(seed.phases, lambda phase: _lose(phase) if phase.epochs and len(_losses(phase)) else None)
    if found is None:
        return None
    phase, lost = found
    first, epochs, last = float(_losses(phase)[0]), phase.losses, float(phase.losses[-1])
    best, is_blown = int(np.nanargmin(epochs)), last - first > BLOWN * max(abs(first), 1.0)
    told = f"{name_phase(trace, phase)}train loss {epochs[0]:.4g} in its epoch 1"
    told += f", {last:.4g} in epoch {len(epochs)}" if len(epochs) > 1 else ""
    told += f", least {epochs[best]:.4g} in epoch {best + 1}" if 0 < best < len(epochs) - 1 else ""
    told += f"; the phase's first step had {first:.4g}" if is_blown else ""
    is_lost = lost > LOST_SHARE
    return Finding(
        about="divergence",
        state=find_worst((is_lost, "watch"), (is_blown or lost > 1, "trouble")),
        measured=told,
        advice=(set_rate(trace, phase, 0.3),) if is_lost or is_blown else (),
        seed=seed.seed,
        numbers={"first": first, "least": float(epochs[best]), "last": last},
    )


def _deviate(phase: PhaseTrace) -> float:
    """Say how far one step's loss lies from another's, whatever their trend."""
    return float(TYPICAL * np.median(np.abs(np.diff(_losses(phase)))) / np.sqrt(2)) if len(_losses(phase)) > 2 else 0.0


def _lose(phase: PhaseTrace) -> float:
    """Say which share of what its epochs had gained the last one has lost; 0 where that may be luck."""
    epochs = phase.losses
    lost, gained = epochs[-1] - epochs.min(), epochs[0] - epochs.min()
    luck = NOISE * _deviate(phase) * np.sqrt(len(epochs) / len(_losses(phase)))
    return float(lost / max(gained, luck, 1e-12)) if lost > luck else 0.0


def check_rate(trace: Trace, seed: SeedTrace) -> Finding | None:
    """Look whether the learning rates were large enough to get anywhere: AdamW moves a weight by one of them a step."""
    rates = [phase.steps["learning_rate"] for phase in seed.phases if len(phase.number)]
    if not rates:
        return None
    done, last = sum(map(len, rates)), float(rates[-1][-1])
    steps, fastest = trace.plan(seed, done), max(seed.phases, key=lambda phase: phase.params.learning_rate)
    way = go_way(seed) * steps / done
    return Finding(
        about="learning rate",
        state=find_worst((way < SLOW, "watch"), (way < STILL, "trouble")),
        measured=f"{last:.2g} in the last step; all {steps:,} steps together can move a weight by {way:.2g}",
        advice=(set_rate(trace, fastest, max(10.0, 1 / max(way, 1e-9))),) if way < SLOW else (),
        seed=seed.seed,
        numbers={"last": last, "way": way},
    )


def go_way(seed: SeedTrace) -> float:
    """Say how far all steps together can have moved a weight."""
    return float(sum(phase.steps["learning_rate"].sum() for phase in seed.phases))
