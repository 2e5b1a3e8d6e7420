"""Checks of the scores: width of the forecasts, overfitting, underfitting, test days."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from ..checks import choose_severity
from .check_result import (
    TrainingCheck,
    advise_learning_rate,
    advise_param,
    advise_phase_param,
    advise_weight_decay,
)
from .losses import LITTLE_MOVE, measure_reach
from .training_log import EpochEntry, SeedLog, TrainingLog

SIGNIFICANT = 2.0  # standard errors
GAP, WIDE_GAP = 0.2, 0.5  # shares of the train days' rank IC that later days lack
FALLEN = 0.25  # of the best validation score, lost since then
SHORTER = 0.8  # of the epochs; a smaller saving changes nothing
WIDE, FLAT = 5.0, 0.1  # scale of the forecasts, in rank ICs; the best possible forecast has about 1
MIN_RANK_IC = 0.02  # for smaller ones the scale has no meaning
PRECISE = 0.01  # standard error of a rank IC that would show a useful one
LOSSES_OF_SCALE = {"mse", "huber", "quantile"}  # losses that determine how wide forecasts are
EARLY = 1 / 3  # of the steps; a shorter training may still learn


@dataclass(frozen=True)
class RankIcGap:
    """Rank ICs of days that were used before and of later days, with their standard errors."""

    source: str
    used: float
    later: float
    used_error: float
    later_error: float

    @property
    def lost(self) -> float:
        """Share of the used days' rank IC that the later days lack."""
        return (self.used - self.later) / self.used if self.used > 0 else 0.0

    @property
    def is_significant(self) -> bool:
        """Whether the rank IC falls by more than chance."""
        return self.used - self.later > SIGNIFICANT * float(np.hypot(self.used_error, self.later_error))

    def describe(self, horizon: int | None) -> str:
        """Describe train and validation days."""
        return (
            f"rank IC over {horizon} d is {self.used:.3f} ± {self.used_error:.3f} on the last train days and "
            f"{self.later:.3f} ± {self.later_error:.3f} on the validation days {self.source}"
        )

    @classmethod
    def from_scores(cls, log: TrainingLog, used: str, later: str) -> Self | None:
        """Compare two splits of a run that has scores."""
        means = [log.rank_ic[split] for split in (used, later) if split in log.rank_ic]
        values = [*(mean.mean for mean in means), *(mean.se for mean in means)]
        defined = [value for value in values if value is not None]
        return cls("in the run's scores", *defined) if len(defined) == 4 else None


def measure_gap(log: TrainingLog, seed: SeedLog) -> RankIcGap | None:
    """Compare train and validation days, in the last epoch or in an older run's scores."""
    scored, name = [epoch for epoch in seed.epochs if epoch.train], f"rank_ic_{log.horizon}d"
    if not scored:
        return RankIcGap.from_scores(log, "train", "validation")
    last = scored[-1]
    values = [scores[key] for key in (name, f"se_{name}") for scores in (last.train, last.validation)]
    return RankIcGap(f"in epoch {last.epochs}", *values) if np.isfinite(values).all() else None


def check_scale(log: TrainingLog, seed: SeedLog) -> TrainingCheck | None:
    """Check whether the forecasts of a day differ as much as they should."""
    if not seed.epochs:
        return None
    first, last = seed.epochs[0], seed.epochs[-1]
    scale, rank_ic, phase = last.validation["scale"], last.validation["rank_ic"], seed.phase_of(last)
    is_undefined = bool(np.isnan(rank_ic))
    has_collapsed, expected = not scale >= log.training.collapse.scale or is_undefined, max(abs(rank_ic), MIN_RANK_IC)
    is_trained = bool(LOSSES_OF_SCALE & set(phase.params.loss.active()))
    is_wide, is_flat = is_trained and scale > WIDE * expected, is_trained and scale < FLAT * expected
    advice: tuple[str, ...] = ()
    if has_collapsed or is_flat:
        loss = "training.phases: add losses that need a spread, ic or variance_floor"
        advice = (advise_weight_decay(log, 0.25), advise_learning_rate(log, phase, 0.3), loss)
    elif is_wide:
        advice = (advise_weight_decay(log, 2), advise_learning_rate(log, phase, 0.3))
    comparison = "is undefined" if is_undefined else f"is {rank_ic:.3f}, and the best scale is about that"
    return TrainingCheck(
        name="scale",
        severity=choose_severity((is_wide or is_flat, "warn"), (has_collapsed or (is_wide and scale > 1), "error")),
        message=f"forecasts vary {scale:.2g} times as much as the labels in epoch {last.epochs}, "
        f"{first.validation['scale']:.2g} times in epoch 1; rank IC {comparison}",
        advice=advice,
        numbers={"scale": scale, "first": first.validation["scale"]},
    )


def check_overfitting(log: TrainingLog, seed: SeedLog) -> TrainingCheck | None:
    """Check whether the network has memorised its train days."""
    gap = measure_gap(log, seed)
    if gap is None or not seed.epochs:
        return None
    best, fallen = _measure_fall(seed)
    has_fallen = fallen is not None and fallen > FALLEN
    is_lost = gap.lost > WIDE_GAP and gap.later < SIGNIFICANT * gap.later_error
    message = gap.describe(log.horizon)
    message += f": {gap.lost:.0%} is lost" if gap.lost > 0 else ": nothing is lost"
    if fallen is None:
        message += "; a fall of the validation score is not checked because it is a loss"
    elif has_fallen:
        message += f"; validation has fallen by {fallen:.0%} since epoch {best.epochs}"
    return TrainingCheck(
        name="overfitting",
        severity=choose_severity(
            (gap.is_significant and gap.lost > GAP, "warn"),
            (gap.is_significant and (is_lost or has_fallen), "error"),
        ),
        message=message,
        advice=_advise_regularisation(log, seed, best),
        numbers={"train": gap.used, "validation": gap.later, "lost": gap.lost}
        | ({} if fallen is None else {"fallen": fallen}),
    )


def _measure_fall(seed: SeedLog) -> tuple[EpochEntry, float | None]:
    """Return the best epoch and the share of its score lost since; None for a loss, which has no zero."""
    scores = np.array([seed.selection.score(epoch.validation) for epoch in seed.epochs])
    scores = np.where(np.isnan(scores), -np.inf, scores)
    best = int(scores.argmax())
    no_skill = seed.selection.no_skill
    if no_skill is None:
        return seed.epochs[best], None
    gain, left = scores[best] - no_skill, scores[-1] - no_skill
    return seed.epochs[best], float(1 - left / gain) if 0 < gain < np.inf else 0.0


def _advise_regularisation(log: TrainingLog, seed: SeedLog, best: EpochEntry) -> tuple[str, ...]:
    """Advise how to make the network memorise less."""
    phase, epochs = seed.phase_of(seed.epochs[-1]), len(seed.epochs)
    noise, dropout = phase.params.augment.feature_noise, log.network["dropout"]
    sizes, half = log.network, log.network["hidden_size"] // 16 * 8
    fits = half >= sizes["fan_channels"] and not half % sizes["heads"] and not half % sizes["graph_heads"]
    return (
        *([advise_param("training.epochs", best.epochs, epochs)] if best.epochs <= SHORTER * epochs else []),
        *([advise_param("network.dropout", 0.2, dropout)] if dropout < 0.2 else []),
        advise_phase_param(phase, "augment.feature_noise", max(1.5 * noise, 0.1), noise),
        advise_weight_decay(log, 2),
        *([advise_param("network.hidden_size", half, sizes["hidden_size"])] if half and fits else []),
        "more days or stocks, fewer features",
    )


def check_underfitting(log: TrainingLog, seed: SeedLog) -> TrainingCheck | None:
    """Check whether the network has learned anything, at least about its train days."""
    gap = measure_gap(log, seed)
    if gap is None or not seed.epochs:
        return None
    steps = seed.epochs[-1].steps
    is_early = steps < EARLY * log.count_planned_steps(seed, steps)
    has_learned = gap.used > SIGNIFICANT * gap.used_error or gap.later > SIGNIFICANT * gap.later_error
    is_useless, error = not has_learned and not is_early, min(gap.used_error, gap.later_error)
    return TrainingCheck(
        name="underfitting",
        severity=choose_severity((is_useless, "warn"), (is_useless and error < PRECISE, "error")),
        message=gap.describe(log.horizon) + ("; too early for a verdict" if is_early else ""),
        advice=_advise_learning(log, seed),
        numbers={"train": gap.used, "validation": gap.later, "error": error},
    )


def _advise_learning(log: TrainingLog, seed: SeedLog) -> tuple[str, ...]:
    """Advise how to make the network learn more; if the steps are far too small, only larger ones."""
    fastest = max(seed.phases, key=lambda phase: phase.params.learning_rate)
    if (reach := measure_reach(seed)) < LITTLE_MOVE:
        return (advise_learning_rate(log, fastest, 1 / max(reach, 1e-9)),)
    epochs = len(seed.epochs)
    return (
        advise_weight_decay(log, 0.25),
        advise_param("training.epochs", 3 * epochs, epochs),
        advise_learning_rate(log, fastest, 3),
        "compare with the ridge baseline in summary.md: if it has no rank IC either, the features hold no information",
    )


def check_readable(log: TrainingLog) -> Iterator[TrainingCheck]:
    """Check whether the run's scores can be read."""
    if log.score_error is not None:
        advice = f"kedro atft evaluate {log.run} writes them again"
        yield TrainingCheck.warn("scores", log.score_error, advice)


def check_test_score(log: TrainingLog) -> Iterator[TrainingCheck]:
    """Check whether the test days confirm the validation days, which chose the epoch."""
    gap = RankIcGap.from_scores(log, "validation", "test")
    if gap is None:
        return
    is_lower = gap.is_significant and gap.lost > GAP
    yield TrainingCheck(
        name="test score",
        severity="warn" if is_lower else "ok",
        message=f"rank IC over {log.horizon} d is {gap.used:.3f} ± {gap.used_error:.3f} on the validation days, which "
        f"chose the epoch, and {gap.later:.3f} ± {gap.later_error:.3f} on the test days",
        advice=("split.validation: more days to choose by, or fewer runs to choose from",) if is_lower else (),
        numbers={"validation": gap.used, "test": gap.later},
    )
