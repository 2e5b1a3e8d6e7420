"""Checks of the scores: scale of the forecasts, overfitting, underfitting, test days."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from ..advice import advise_command
from ..checks import choose_severity
from .check_result import TrainingCheck, advise_learning_rate, advise_param, advise_phase_param, advise_weight_decay
from .losses import SMALL_MOVE, measure_largest_move
from .training_log import EpochEntry, SeedLog, TrainingLog

SIGNIFICANT_STANDARD_ERRORS = 2.0  # a difference of more standard errors counts as significant
WARNING_GAP = 0.2  # lost share of the rank IC; more is a warning
ERROR_GAP = 0.5  # lost share of the rank IC; more is an error if the later rank IC is not significant
MAX_LOST_GAIN = 0.25  # share of the best validation score's gain that may be lost since the best epoch
EARLY_BEST_SHARE = 0.8  # advise fewer epochs only if the best epoch is in this first share of all epochs
MAX_SCALE_RATIO, MIN_SCALE_RATIO = 5.0, 0.1  # limits of scale / |rank IC|; the best forecast has about 1
LABEL_SCALE = 1.0  # forecasts with a larger scale vary more than the labels
MIN_RANK_IC = 0.02  # replaces smaller rank ICs: their expected scale is too small to compare with
MAX_PRECISE_SE = 0.01  # with a smaller standard error, a useful rank IC is significant
LOSSES_OF_SCALE = {"mse", "huber", "quantile"}  # losses that determine the scale of the forecasts
FEWER_RUNS = "compare fewer runs on the validation days: the best of many runs is partly chance"
EARLY_SHARE_OF_STEPS = 1 / 3  # before this share of the planned steps, underfitting is not reported


@dataclass(frozen=True)
class RankIcGap:
    """Rank IC of the days used for training or for the choice of the epoch, and of later days."""

    where: str  # the end of a sentence
    horizon: int | None
    earlier: float
    later: float
    earlier_se: float  # standard error
    later_se: float

    @property
    def lost_share(self) -> float:
        """Share of the earlier rank IC that is lost on the later days."""
        return (self.earlier - self.later) / self.earlier if self.earlier > 0 else 0.0

    @property
    def is_significant(self) -> bool:
        """Whether the rank IC falls significantly."""
        return self.earlier - self.later > SIGNIFICANT_STANDARD_ERRORS * float(np.hypot(self.earlier_se, self.later_se))

    @classmethod
    def from_scores(cls, log: TrainingLog, earlier: str, later: str) -> Self | None:
        """Compare two splits of a run that has scores; None if a score is missing."""
        means = [log.rank_ic[split] for split in (earlier, later) if split in log.rank_ic]
        values = [*(mean.mean for mean in means), *(mean.se for mean in means)]
        defined = [value for value in values if value is not None]
        return cls("in the run's scores", log.scored_horizon, *defined) if len(defined) == 4 else None


def measure_train_gap(log: TrainingLog, seed: SeedLog) -> RankIcGap | None:
    """Compare train and validation days in the last epoch with train scores.

    If no epoch has train scores, the scores of the run's evaluation are compared. None if a score is missing.
    """
    epochs, name = [epoch for epoch in seed.epochs if epoch.train], f"rank_ic_{log.horizon}d"
    if not epochs:
        return RankIcGap.from_scores(log, "train", "validation")
    last = epochs[-1]
    values = [scores[key] for key in (name, f"se_{name}") for scores in (last.train, last.validation)]
    return RankIcGap(f"in epoch {last.epochs}", log.horizon, *values) if np.isfinite(values).all() else None


def _describe_train_gap(gap: RankIcGap) -> str:
    """Describe the rank ICs of train and validation days."""
    return (
        f"rank IC over {gap.horizon} d is {gap.earlier:.3f} ± {gap.earlier_se:.3f} on the last train days and "
        f"{gap.later:.3f} ± {gap.later_se:.3f} on the validation days {gap.where}"
    )


def check_scale(log: TrainingLog, seed: SeedLog) -> TrainingCheck | None:
    """Check whether the forecasts of a day vary as much as their rank IC justifies."""
    if not seed.epochs:
        return None
    first, last = seed.epochs[0], seed.epochs[-1]
    scale, rank_ic, phase = last.validation["scale"], last.validation["rank_ic"], seed.last_phase
    is_undefined = bool(np.isnan(rank_ic))
    has_collapsed = not scale >= log.training.collapse.scale or is_undefined  # forecasts are nearly equal
    expected = max(abs(rank_ic), MIN_RANK_IC)
    is_trained = bool(LOSSES_OF_SCALE & set(phase.params.loss.positive_weights()))
    is_too_wide, is_too_narrow = (
        is_trained and scale > MAX_SCALE_RATIO * expected,
        is_trained and scale < MIN_SCALE_RATIO * expected,
    )
    advice: tuple[str, ...] = ()
    if has_collapsed or is_too_narrow:
        loss = "training.phases: add the loss ic or variance_floor, which keeps forecasts from becoming equal"
        advice = (advise_weight_decay(log, 0.25), advise_learning_rate(log, phase, 0.3), loss)
    elif is_too_wide:
        advice = (advise_weight_decay(log, 2), advise_learning_rate(log, phase, 0.3))
    comparison = "is undefined" if is_undefined else f"is {rank_ic:.3f}, and the best scale is about equal to it"
    return TrainingCheck(
        name="scale",
        severity=choose_severity(
            (is_too_wide or is_too_narrow, "warn"), (has_collapsed or (is_too_wide and scale > LABEL_SCALE), "error")
        ),
        message=f"forecasts vary {scale:.2g} times as much as the labels in epoch {last.epochs}, "
        f"{first.validation['scale']:.2g} times in epoch 1; rank IC {comparison}",
        advice=advice,
        numbers={"scale": scale, "first": first.validation["scale"]},
    )


def check_overfitting(log: TrainingLog, seed: SeedLog) -> TrainingCheck | None:
    """Check whether rank IC is significantly higher on train days than on validation days."""
    gap = measure_train_gap(log, seed)
    if gap is None or not seed.epochs:
        return None
    best, lost_gain = _measure_lost_gain(seed)
    has_fallen = lost_gain is not None and lost_gain > MAX_LOST_GAIN
    is_insignificant_later = gap.lost_share > ERROR_GAP and gap.later < SIGNIFICANT_STANDARD_ERRORS * gap.later_se
    message = _describe_train_gap(gap)
    message += f": {gap.lost_share:.0%} is lost" if gap.lost_share > 0 else ": nothing is lost"
    if lost_gain is None:
        message += "; a fall of the validation score is not checked because it is a loss"
    elif has_fallen:
        message += f"; since epoch {best.epochs} the validation score has lost {lost_gain:.0%} of its gain over "
        message += "forecasts without skill"
    return TrainingCheck(
        name="overfitting",
        severity=choose_severity(
            (gap.is_significant and gap.lost_share > WARNING_GAP, "warn"),
            (gap.is_significant and (is_insignificant_later or has_fallen), "error"),
        ),
        message=message,
        advice=_advise_regularisation(log, seed, best),
        numbers={"train": gap.earlier, "validation": gap.later, "lost": gap.lost_share}
        | ({} if lost_gain is None else {"fallen": lost_gain}),
    )


def _measure_lost_gain(seed: SeedLog) -> tuple[EpochEntry, float | None]:
    """Return the best epoch, and the share of its gain that the last epoch has lost.

    The gain is the score minus that of forecasts without skill. The share is None if the score is a loss.
    """
    scores = np.array([seed.selection.score(epoch.validation) for epoch in seed.epochs])
    scores = np.where(np.isnan(scores), -np.inf, scores)
    best = int(scores.argmax())
    no_skill = seed.selection.no_skill
    if no_skill is None:
        return seed.epochs[best], None
    gain, last_gain = scores[best] - no_skill, scores[-1] - no_skill
    return seed.epochs[best], float(1 - last_gain / gain) if 0 < gain < np.inf else 0.0


def _advise_regularisation(log: TrainingLog, seed: SeedLog, best: EpochEntry) -> tuple[str, ...]:
    """Advise more regularisation, a smaller network or fewer epochs."""
    phase, epochs = seed.last_phase, len(seed.epochs)
    noise, dropout = phase.params.augment.feature_noise, log.network["dropout"]
    network, half_size = log.network, log.network["hidden_size"] // 16 * 8  # a multiple of 8
    is_divisible = not half_size % network["heads"] and not half_size % network["graph_heads"]
    is_valid_size = half_size >= max(network["fan_channels"], 1) and is_divisible
    return (
        *([advise_param("training.epochs", best.epochs, epochs)] if best.epochs <= EARLY_BEST_SHARE * epochs else []),
        *([advise_param("network.dropout", 0.2, dropout)] if dropout < 0.2 else []),
        advise_phase_param(phase, "augment.feature_noise", max(1.5 * noise, 0.1), noise),
        advise_weight_decay(log, 2),
        *([advise_param("network.hidden_size", half_size, network["hidden_size"])] if is_valid_size else []),
        "use more days or stocks, or fewer features",
    )


def check_underfitting(log: TrainingLog, seed: SeedLog) -> TrainingCheck | None:
    """Check whether the network has any significant rank IC, at least on its train days."""
    gap = measure_train_gap(log, seed)
    if gap is None or not seed.epochs:
        return None
    steps = seed.epochs[-1].steps
    is_early = steps < EARLY_SHARE_OF_STEPS * log.count_planned_steps(seed, steps)
    has_learned = (
        gap.earlier > SIGNIFICANT_STANDARD_ERRORS * gap.earlier_se
        or gap.later > SIGNIFICANT_STANDARD_ERRORS * gap.later_se
    )
    has_no_signal, smallest_se = not has_learned and not is_early, min(gap.earlier_se, gap.later_se)
    return TrainingCheck(
        name="underfitting",
        severity=choose_severity((has_no_signal, "warn"), (has_no_signal and smallest_se < MAX_PRECISE_SE, "error")),
        message=_describe_train_gap(gap) + ("; the training is too short to judge this" if is_early else ""),
        advice=_advise_learning(log, seed),
        numbers={"train": gap.earlier, "validation": gap.later, "error": smallest_se},
    )


def _advise_learning(log: TrainingLog, seed: SeedLog) -> tuple[str, ...]:
    """Advise how to make the network learn more.

    If all learning rates together are far too small, only a higher learning rate is advised.
    """
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


def check_scores_readable(log: TrainingLog) -> Iterator[TrainingCheck]:
    """Check whether the run's scores can be read."""
    if log.score_error is not None:
        advice = f"run {advise_command(f'atft evaluate {log.run}')} to compute them again"
        yield TrainingCheck.warn("scores", log.score_error, advice)


def check_test_score(log: TrainingLog) -> Iterator[TrainingCheck]:
    """Check whether the test days confirm the rank IC of the validation days.

    The epoch was chosen by the validation days, so their rank IC may be too high.
    """
    gap = RankIcGap.from_scores(log, "validation", "test")
    if gap is None:
        return
    is_lower = gap.is_significant and gap.lost_share > WARNING_GAP
    yield TrainingCheck(
        name="test score",
        severity="warn" if is_lower else "ok",
        message=f"rank IC over {gap.horizon} d is {gap.earlier:.3f} ± {gap.earlier_se:.3f} on the validation days, by "
        f"which the epoch was chosen, and {gap.later:.3f} ± {gap.later_se:.3f} on the test days",
        advice=(f"use more validation days (split.validation), or {FEWER_RUNS}",) if is_lower else (),
        numbers={"validation": gap.earlier, "test": gap.later},
    )
