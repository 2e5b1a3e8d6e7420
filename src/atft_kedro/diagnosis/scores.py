"""Checks of the scores: width of the forecasts, overfitting, underfitting, test days."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from ..checks import choose_severity
from .check_result import TrainingCheck, advise_learning_rate, advise_param, advise_phase_param, advise_weight_decay
from .losses import SMALL_MOVE, measure_largest_move
from .training_log import EpochEntry, SeedLog, TrainingLog

SIGNIFICANT_ERRORS = 2.0  # a difference of more standard errors is no chance
LARGE_GAP, HUGE_GAP = 0.2, 0.5  # shares of the rank IC that are lost on later days: warning, error
MAX_FALL = 0.25  # share of the best validation score that may be lost since then
SHORTER = 0.8  # advise fewer epochs only if the best epoch is in this first share of all
MAX_SCALE, MIN_SCALE = 5.0, 0.1  # of the forecasts, in rank ICs; the best possible forecast has about 1
MIN_RANK_IC = 0.02  # a smaller rank IC counts as this one, because the expected scale has no meaning
PRECISE_ERROR = 0.01  # with a smaller standard error, a useful rank IC would be seen
LOSSES_OF_SCALE = {"mse", "huber", "quantile"}  # losses that determine the scale of the forecasts
EARLY = 1 / 3  # share of the steps; a shorter training may still learn


@dataclass(frozen=True)
class RankIcGap:
    """Rank ICs of days used to train or select, and of later days, with standard errors."""

    source: str
    used: float
    later: float
    used_error: float
    later_error: float

    @property
    def lost(self) -> float:
        """Share of the rank IC on the used days that is lost on the later days."""
        return (self.used - self.later) / self.used if self.used > 0 else 0.0

    @property
    def is_significant(self) -> bool:
        """Whether the rank IC falls by more than chance."""
        return self.used - self.later > SIGNIFICANT_ERRORS * float(np.hypot(self.used_error, self.later_error))

    def describe(self, horizon: int | None) -> str:
        """Describe the rank ICs of train and validation days."""
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
    """Compare train and validation days in the last epoch, or in the scores of an older run."""
    epochs, name = [epoch for epoch in seed.epochs if epoch.train], f"rank_ic_{log.horizon}d"
    if not epochs:
        return RankIcGap.from_scores(log, "train", "validation")
    last = epochs[-1]
    values = [scores[key] for key in (name, f"se_{name}") for scores in (last.train, last.validation)]
    return RankIcGap(f"in epoch {last.epochs}", *values) if np.isfinite(values).all() else None


def check_scale(log: TrainingLog, seed: SeedLog) -> TrainingCheck | None:
    """Check whether the forecasts of a day vary as much as their rank IC justifies."""
    if not seed.epochs:
        return None
    first, last = seed.epochs[0], seed.epochs[-1]
    scale, rank_ic, phase = last.validation["scale"], last.validation["rank_ic"], seed.last_phase
    is_undefined = bool(np.isnan(rank_ic))
    has_collapsed, expected = not scale >= log.training.collapse.scale or is_undefined, max(abs(rank_ic), MIN_RANK_IC)
    is_trained = bool(LOSSES_OF_SCALE & set(phase.params.loss.active()))
    is_wide, is_flat = is_trained and scale > MAX_SCALE * expected, is_trained and scale < MIN_SCALE * expected
    advice: tuple[str, ...] = ()
    if has_collapsed or is_flat:
        loss = "training.phases: add the loss ic or variance_floor, which keeps forecasts from becoming equal"
        advice = (advise_weight_decay(log, 0.25), advise_learning_rate(log, phase, 0.3), loss)
    elif is_wide:
        advice = (advise_weight_decay(log, 2), advise_learning_rate(log, phase, 0.3))
    comparison = "is undefined" if is_undefined else f"is {rank_ic:.3f}, and the best scale is about the same"
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
    best, fall = _measure_fall(seed)
    has_fallen = fall is not None and fall > MAX_FALL
    is_useless = gap.lost > HUGE_GAP and gap.later < SIGNIFICANT_ERRORS * gap.later_error
    message = gap.describe(log.horizon)
    message += f": {gap.lost:.0%} is lost" if gap.lost > 0 else ": nothing is lost"
    if fall is None:
        message += "; a fall of the validation score is not checked because it is a loss"
    elif has_fallen:
        message += f"; the validation score has fallen by {fall:.0%} since epoch {best.epochs}"
    return TrainingCheck(
        name="overfitting",
        severity=choose_severity(
            (gap.is_significant and gap.lost > LARGE_GAP, "warn"),
            (gap.is_significant and (is_useless or has_fallen), "error"),
        ),
        message=message,
        advice=_advise_regularisation(log, seed, best),
        numbers={"train": gap.used, "validation": gap.later, "lost": gap.lost}
        | ({} if fall is None else {"fallen": fall}),
    )


def _measure_fall(seed: SeedLog) -> tuple[EpochEntry, float | None]:
    """Return the best epoch, and the share of its score that is lost since; None for a loss."""
    scores = np.array([seed.selection.score(epoch.validation) for epoch in seed.epochs])
    scores = np.where(np.isnan(scores), -np.inf, scores)
    best = int(scores.argmax())
    no_skill = seed.selection.no_skill
    if no_skill is None:
        return seed.epochs[best], None
    gain, left = scores[best] - no_skill, scores[-1] - no_skill
    return seed.epochs[best], float(1 - left / gain) if 0 < gain < np.inf else 0.0


def _advise_regularisation(log: TrainingLog, seed: SeedLog, best: EpochEntry) -> tuple[str, ...]:
    """Advise how to make the network memorise its train days less."""
    phase, epochs = seed.last_phase, len(seed.epochs)
    noise, dropout = phase.params.augment.feature_noise, log.network["dropout"]
    sizes, half = log.network, log.network["hidden_size"] // 16 * 8
    fits = half >= sizes["fan_channels"] and not half % sizes["heads"] and not half % sizes["graph_heads"]
    return (
        *([advise_param("training.epochs", best.epochs, epochs)] if best.epochs <= SHORTER * epochs else []),
        *([advise_param("network.dropout", 0.2, dropout)] if dropout < 0.2 else []),
        advise_phase_param(phase, "augment.feature_noise", max(1.5 * noise, 0.1), noise),
        advise_weight_decay(log, 2),
        *([advise_param("network.hidden_size", half, sizes["hidden_size"])] if half and fits else []),
        "use more days or stocks, or fewer features",
    )


def check_underfitting(log: TrainingLog, seed: SeedLog) -> TrainingCheck | None:
    """Check whether the network has any significant rank IC, at least on its train days."""
    gap = measure_gap(log, seed)
    if gap is None or not seed.epochs:
        return None
    steps = seed.epochs[-1].steps
    is_early = steps < EARLY * log.count_planned_steps(seed, steps)
    has_learned = gap.used > SIGNIFICANT_ERRORS * gap.used_error or gap.later > SIGNIFICANT_ERRORS * gap.later_error
    is_useless, error = not has_learned and not is_early, min(gap.used_error, gap.later_error)
    return TrainingCheck(
        name="underfitting",
        severity=choose_severity((is_useless, "warn"), (is_useless and error < PRECISE_ERROR, "error")),
        message=gap.describe(log.horizon) + ("; too early for a verdict" if is_early else ""),
        advice=_advise_learning(log, seed),
        numbers={"train": gap.used, "validation": gap.later, "error": error},
    )


def _advise_learning(log: TrainingLog, seed: SeedLog) -> tuple[str, ...]:
    """Advise how to make the network learn more; if the steps are far too small, advise only larger steps."""
    phase = seed.highest_rate_phase
    if (move := measure_largest_move(seed)) < SMALL_MOVE:
        return (advise_learning_rate(log, phase, 1 / max(move, 1e-9)),)
    epochs = len(seed.epochs)
    return (
        advise_weight_decay(log, 0.25),
        advise_param("training.epochs", 3 * epochs, epochs),
        advise_learning_rate(log, phase, 3),
        "compare with the ridge baseline in summary.md: if its rank IC is about zero too, the features may contain no "
        "information",
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
    is_lower = gap.is_significant and gap.lost > LARGE_GAP
    yield TrainingCheck(
        name="test score",
        severity="warn" if is_lower else "ok",
        message=f"rank IC over {log.horizon} d is {gap.used:.3f} ± {gap.used_error:.3f} on the validation days, which "
        f"chose the epoch, and {gap.later:.3f} ± {gap.later_error:.3f} on the test days",
        advice=("use more validation days (split.validation), or choose among fewer runs",) if is_lower else (),
        numbers={"validation": gap.used, "test": gap.later},
    )
