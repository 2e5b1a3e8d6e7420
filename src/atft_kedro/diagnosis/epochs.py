"""Checks of the scores over epochs, phases and seeds."""

from collections.abc import Iterator

import numpy as np

from ..advice import advise_command
from ..checks import choose_severity
from ..params import list_names
from .check_result import TrainingCheck, advise_learning_rate, advise_param, measure_noise
from .training_log import Floats, PhaseLog, SeedLog, TrainingLog

PLATEAU_EPOCHS, PLATEAU_SHARE = 5, 1 / 3  # a plateau has at least so many epochs, and this share of all epochs
LATE_GAIN = 0.1  # share of the best score; with a larger gain in the last third of the epochs, it still rises
MAX_WASTED_SHARE = 0.2  # of the time, in phases without a gain
MAX_SEED_SPREAD = 0.25  # standard deviation between seeds, as a share of their mean
FAILED_SEED = 0.5  # a seed with less than this share of the median seed's score has failed
MIN_GAIN = 0.005  # of rank IC; a smaller gain does not justify another training


def check_plateau(log: TrainingLog, seed: SeedLog) -> TrainingCheck | None:
    """Check for epochs at the end whose gain is not larger than noise."""
    scores = _list_scores(seed)
    if not len(scores):
        return None
    noise = measure_noise(scores)
    best_before = np.concatenate([[-np.inf], np.maximum.accumulate(scores)[:-1]])
    last_gain = int(np.flatnonzero(scores > best_before + noise)[-1])
    epochs_since = len(scores) - 1 - last_gain
    end = (
        advise_command("atft stop")
        if log.is_running(seed)
        else advise_param("training.epochs", last_gain + 1, len(scores))
    )
    patience = f"--params training.patience=3 (now {seed.last_phase.params.patience or 'null'})"
    return TrainingCheck(
        name="plateau",
        severity="warn" if epochs_since >= max(PLATEAU_EPOCHS, PLATEAU_SHARE * len(scores)) else "ok",
        message=f"validation {seed.selection.label} last rose in epoch {last_gain + 1} of {len(scores)}, "
        f"to {scores[last_gain]:.4f} (best {scores.max():.4f}; one epoch varies by ± {noise:.4f} by chance)",
        advice=(end, patience, advise_learning_rate(log, seed.last_phase, 0.3)),
        numbers={"epochs_since": epochs_since, "best": float(scores.max()), "noise": noise},
    )


def _list_scores(seed: SeedLog) -> Floats:
    """List the selection scores of the epochs; an undefined one counts as the lowest."""
    scores = np.array([seed.selection.score(epoch.validation) for epoch in seed.epochs], dtype=np.float64)
    return np.where(np.isnan(scores), min(np.nanmin(scores, initial=np.inf), -1.0), scores)


def check_length(log: TrainingLog, seed: SeedLog) -> TrainingCheck | None:
    """Check whether the score still rose at the end of a finished training."""
    scores = _list_scores(seed)
    no_skill = seed.selection.no_skill
    if len(scores) < 3 or not log.is_done(seed) or no_skill is None:
        return None
    third, best = len(scores) // 3, float(scores.max())
    gain = best - float(scores[:-third].max())
    still_rises = best > no_skill and gain > max(LATE_GAIN * (best - no_skill), MIN_GAIN, 2 * measure_noise(scores))
    return TrainingCheck(
        name="training length",
        severity="warn" if still_rises else "ok",
        message=f"the last {third} of {len(scores)} epochs gained {gain:.4f} of {best:.4f} validation "
        f"{seed.selection.label}",
        advice=(advise_param("training.epochs", 2 * len(scores), len(scores)),),
        numbers={"gain": gain, "best": best},
    )


def check_phases(log: TrainingLog, seed: SeedLog) -> TrainingCheck | None:
    """Check for phases that took time and did not improve the best score."""
    ended = [phase for phase in seed.phases if phase.epochs and _has_ended(log, seed, phase)]
    no_skill = seed.selection.no_skill
    if len(ended) < 2 or no_skill is None:
        return None
    best = [max(seed.selection.score(epoch.validation) for epoch in phase.epochs) for phase in ended]
    gains = np.diff(np.fmax.accumulate([no_skill, *best]))
    seconds = np.array([sum(epoch.seconds for epoch in phase.epochs) for phase in ended])
    names = [phase.params.name for phase in ended]
    texts = [f"{name} {gain:+.4f} in {time:.1f} s" for name, gain, time in zip(names, gains, seconds, strict=True)]
    useless = [name for name, gain in zip(names, gains, strict=True) if gain == 0]
    wasted_share = float(seconds[gains == 0].sum() / max(seconds.sum(), 1e-9))
    return TrainingCheck(
        name="phases",
        severity="warn" if wasted_share > MAX_WASTED_SHARE else "ok",
        message=f"gain in the best validation {seed.selection.label} by phase: {', '.join(texts)}",
        advice=(f"training.phases: without {list_names(useless, 4)}",),
        numbers={"wasted_share": wasted_share},
    )


def _has_ended(log: TrainingLog, seed: SeedLog, phase: PhaseLog) -> bool:
    return phase is not seed.phases[-1] or phase.epochs[-1].epoch >= phase.params.epochs or log.is_done(seed)


def check_swa(log: TrainingLog, seed: SeedLog) -> TrainingCheck | None:
    """Check whether the average of the last epochs' weights is clearly better than every epoch."""
    if not seed.swa or np.isnan(score := seed.selection.score(seed.swa)):
        return None
    scores = _list_scores(seed)
    best = float(scores.max())
    return TrainingCheck(
        name="SWA",
        severity="warn" if score - best > max(MIN_GAIN, 2 * measure_noise(scores)) else "ok",
        message=f"the average of the last epochs' weights has a validation {seed.selection.label} of {score:.4f}, "
        f"the best epoch {best:.4f}; the better one is kept",
        advice=(advise_learning_rate(log, seed.last_phase, 0.3),),
        numbers={"swa": score, "best": best},
    )


def check_seeds(log: TrainingLog) -> Iterator[TrainingCheck]:
    """Check whether the finished seeds have similar scores."""
    done = [seed for seed in log.seeds if seed.epochs and log.is_done(seed)]
    if len(done) < 2:
        return
    best = np.array([_list_scores(seed).max() for seed in done])
    spread, mean, no_skill = float(best.std(ddof=1)), float(best.mean()), done[0].selection.no_skill
    floor = -np.inf if no_skill is None else no_skill + FAILED_SEED * max(float(np.median(best)) - no_skill, 0.0)
    failed = [seed.seed for seed, score in zip(done, best, strict=True) if score < floor]
    is_spread = spread > MAX_SEED_SPREAD * abs(mean - (no_skill or 0.0))
    severity = choose_severity((is_spread, "warn"), (bool(failed), "error"))
    scores = ", ".join(f"{seed.seed} {score:.4f}" for seed, score in zip(done, best, strict=True))
    lower_rate = advise_learning_rate(log, done[0].highest_rate_phase, 0.5)
    advice = [lower_rate, advise_param("training.seeds", 2 * len(done), len(done))]
    if failed:
        advice.insert(0, f"seed {list_names(failed, 4)} learned little; lower learning rates fail less often")
    yield TrainingCheck(
        name="seeds",
        severity=severity,
        message=f"best validation {done[0].selection.label} by seed: {scores}; standard deviation {spread:.4f}",
        advice=() if severity == "ok" else tuple(advice),
        numbers={"deviation": spread, "mean": mean},
    )
