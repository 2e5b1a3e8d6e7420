"""What the scores tell: forecasts too flat or too wide, a network that memorises, one that learns nothing."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from .check_result import Finding, find_worst, set_decay, set_in_phase, set_param, set_rate
from .losses import SLOW, go_way
from .training_log import Epoch, SeedTrace, Trace

NOISE = 2.0  # standard errors that are hardly luck
GAP, WIDE_GAP = 0.2, 0.5  # share of the train days' rank IC that the validation days lack: some, and most
FALLEN = 0.25  # of the best validation rank IC: what is lost by memorising on
SHORTER = 0.8  # of the epochs; to save fewer changes nothing
WIDE, FLAT = 5.0, 0.1  # the forecasts' scale, in rank ICs; of the best possible forecast it is about one
KNOWN = 0.02  # a rank IC that is worth having; of less the scale tells nothing
SURE = 0.01  # a rank IC's error; with a larger one too few days or stocks are known to miss one that is worth having
TERMS_OF_SCALE = {"mse", "huber", "quantile"}  # losses that say how wide forecasts are
YOUNG = 1 / 3  # of its steps; a training that has done less may still learn


@dataclass(frozen=True)
class Sides:
    """Rank ICs of days that were known and of later ones, and how far each may be off."""

    where: str
    known: float
    new: float
    known_error: float
    new_error: float

    @property
    def lost(self) -> float:
        """Say which share of what is reached on the known days the new ones lack."""
        return (self.known - self.new) / self.known if self.known > 0 else 0.0

    @property
    def is_sure(self) -> bool:
        """Say whether the difference is more than luck."""
        return self.known - self.new > NOISE * float(np.hypot(self.known_error, self.new_error))

    @classmethod
    def of(cls, trace: Trace, known: str, new: str) -> Self | None:
        """Compare two parts of a run that is scored."""
        told = [trace.rank_ic[part] for part in (known, new) if part in trace.rank_ic]
        values = [*(each.mean for each in told), *(each.se for each in told)]
        defined = [value for value in values if value is not None]
        return cls("as it was scored", *defined) if len(defined) == 4 else None


def compare_sides(trace: Trace, seed: SeedTrace) -> Sides | None:
    """Compare train and validation days over the shortest horizon: in the last epoch, or as an older run was scored."""
    scored, name = [epoch for epoch in seed.epochs if epoch.train], f"rank_ic_{trace.horizon}d"
    if not scored:
        return Sides.of(trace, "train", "validation")
    last = scored[-1]
    values = [side[key] for key in (name, f"se_{name}") for side in (last.train, last.validation)]
    return Sides(f"in epoch {last.epochs}", *values) if np.isfinite(values).all() else None


def check_scale(trace: Trace, seed: SeedTrace) -> Finding | None:
    """Look whether the forecasts of a day differ as much as they should."""
    if not seed.epochs:
        return None
    first, last, floor = seed.epochs[0], seed.epochs[-1], trace.training.collapse.scale
    scale, rank_ic, phase = last.validation["scale"], last.validation["rank_ic"], seed.phase_of(last)
    is_dead, aim = not scale >= floor or np.isnan(rank_ic), max(abs(rank_ic), KNOWN)
    says = bool(TERMS_OF_SCALE & set(phase.params.loss.active()))
    is_wide, is_flat = says and scale > WIDE * aim, says and scale < FLAT * aim
    advice: tuple[str, ...] = ()
    if is_dead or is_flat:
        loss = "training.phases: losses that ask for spread, ic or variance_floor"
        advice = (set_decay(trace, 0.25), set_rate(trace, phase, 0.3), loss)
    elif is_wide:
        advice = (set_decay(trace, 2), set_rate(trace, phase, 0.3))
    aimed = "is undefined" if np.isnan(rank_ic) else f"is {rank_ic:.3f}, and the best scale is about that"
    return Finding(
        about="scale",
        state=find_worst((is_wide or is_flat, "watch"), (is_dead or (is_wide and scale > 1), "trouble")),
        measured=f"forecasts spread {scale:.2g} times as far as the labels in epoch {last.epochs}, "
        f"{first.validation['scale']:.2g} in epoch 1; rank IC {aimed}",
        advice=advice,
        seed=seed.seed,
        numbers={"scale": scale, "first": first.validation["scale"]},
    )


def check_overfitting(trace: Trace, seed: SeedTrace) -> Finding | None:
    """Look whether the network remembers its train days instead of learning from them."""
    sides = compare_sides(trace, seed)
    if sides is None or not seed.epochs:
        return None
    best, fallen = _fall(seed)
    state = find_worst(
        (sides.is_sure and sides.lost > GAP, "watch"),
        (sides.is_sure and sides.lost > WIDE_GAP and sides.new < NOISE * sides.new_error, "trouble"),
        (sides.is_sure and fallen is not None and fallen > FALLEN, "trouble"),
    )
    told = f"rank IC over {trace.horizon} d is {sides.known:.3f} ± {sides.known_error:.3f} on the last train days and "
    told += f"{sides.new:.3f} ± {sides.new_error:.3f} on the validation days {sides.where}"
    told += f": {sides.lost:.0%} is lost" if sides.lost > 0 else ": nothing is lost"
    if fallen is None:
        told += "; a fall of the validation score is not checked where it is a loss"
    elif fallen > FALLEN:
        told += f"; validation has fallen by {fallen:.0%} since epoch {best.epochs}"
    return Finding(
        about="overfitting",
        state=state,
        measured=told,
        advice=_generalise(trace, seed, best) if state != "ok" else (),
        seed=seed.seed,
        numbers={"train": sides.known, "validation": sides.new, "lost": sides.lost}
        | ({} if fallen is None else {"fallen": fallen}),
    )


def _fall(seed: SeedTrace) -> tuple[Epoch, float | None]:
    """Find the best epoch, and the share of its score that the last has lost; None for a loss, which has no zero."""
    scores = np.array([seed.selection.score(epoch.validation) for epoch in seed.epochs])
    known = np.where(np.isnan(scores), -np.inf, scores)
    best = int(known.argmax())
    no_skill = seed.selection.no_skill
    if no_skill is None:
        return seed.epochs[best], None
    gain, left = known[best] - no_skill, known[-1] - no_skill
    return seed.epochs[best], float(1 - left / gain) if 0 < gain < np.inf else 0.0


def _generalise(trace: Trace, seed: SeedTrace, best: Epoch) -> tuple[str, ...]:
    """Advise what makes a network remember less."""
    phase, count = seed.phase_of(seed.epochs[-1]), len(seed.epochs)
    noise = phase.params.augment.feature_noise
    sizes, half = trace.network, trace.network["hidden_size"] // 16 * 8
    fits = half >= sizes["fan_channels"] and not half % sizes["heads"] and not half % sizes["graph_heads"]
    return (
        *([set_param("training.epochs", best.epochs, count)] if best.epochs <= SHORTER * count else []),
        *([set_param("network.dropout", 0.2, dropout)] if (dropout := trace.network["dropout"]) < 0.2 else []),
        set_in_phase(phase, "augment.feature_noise", max(1.5 * noise, 0.1), noise),
        set_decay(trace, 2),
        *([set_param("network.hidden_size", half, sizes["hidden_size"])] if half and fits else []),
        "more days or stocks, fewer features",
    )


def check_underfitting(trace: Trace, seed: SeedTrace) -> Finding | None:
    """Look whether the network knows at least the days that it learned from."""
    sides = compare_sides(trace, seed)
    if sides is None or not seed.epochs:
        return None
    done = seed.epochs[-1].steps
    is_young = done < YOUNG * trace.plan(seed, done)
    knows = sides.known > NOISE * sides.known_error or sides.new > NOISE * sides.new_error
    is_nothing, error = not knows and not is_young, min(sides.known_error, sides.new_error)
    told = f"rank IC over {trace.horizon} d is {sides.known:.3f} ± {sides.known_error:.3f} on the last train days and "
    told += f"{sides.new:.3f} ± {sides.new_error:.3f} on the validation days {sides.where}"
    told += "; too early to judge" if is_young else ""
    return Finding(
        about="underfitting",
        state=find_worst((is_nothing, "watch"), (is_nothing and error < SURE, "trouble")),
        measured=told,
        advice=_learn_more(trace, seed) if is_nothing else (),
        seed=seed.seed,
        numbers={"train": sides.known, "validation": sides.new, "error": error},
    )


def check_readable(trace: Trace) -> Iterator[Finding]:
    """Check whether the run's scores can be read."""
    if trace.unreadable is not None:
        advice = (f"kedro atft evaluate {trace.run} writes them anew",)
        yield Finding(about="scores", state="watch", measured=trace.unreadable, advice=advice)


def check_new_days(trace: Trace) -> Iterator[Finding]:
    """Look whether the validation days, which chose the epoch, promised more than the test days keep."""
    sides = Sides.of(trace, "validation", "test")
    if sides is None:
        return
    less = sides.is_sure and sides.lost > GAP
    yield Finding(
        about="new days",
        state="watch" if less else "ok",
        measured=f"rank IC over {trace.horizon} d is {sides.known:.3f} ± {sides.known_error:.3f} on the validation "
        f"days, which chose the epoch, and {sides.new:.3f} ± {sides.new_error:.3f} on the test days",
        advice=("split.validation: more days to choose by, or fewer runs to choose from",) if less else (),
        numbers={"validation": sides.known, "test": sides.new},
    )


def _learn_more(trace: Trace, seed: SeedTrace) -> tuple[str, ...]:
    """Advise what makes a network learn more; steps that are far too small come first, and alone."""
    fastest = max(seed.phases, key=lambda phase: phase.params.learning_rate)
    if go_way(seed) < SLOW:
        return (set_rate(trace, fastest, 1 / max(go_way(seed), 1e-9)),)
    count = len(seed.epochs)
    return (
        set_decay(trace, 0.25),
        set_param("training.epochs", 3 * count, count),
        set_rate(trace, fastest, 3),
        "summary.md says what ridge makes of the same features; if that is nothing too, they know nothing",
    )
