"""What the epochs tell: scores that stand still or still rise, phases that give nothing, seeds that differ."""

from collections.abc import Iterator

import numpy as np

from .check_result import Finding, enlist, find_worst, measure_jitter, set_param, set_rate
from .training_log import Floats, PhaseTrace, SeedTrace, Trace

STANDS = 5  # epochs without a gain; fewer are often luck
STANDS_SHARE = 1 / 3  # of all epochs, for a long training may rest longer
RISES = 0.1  # of the best rank IC, gained in the last third: there is more to come
WASTED = 0.2  # of the time, in phases that gave nothing
DIFFER = 0.25  # deviation between seeds, of their mean
FAILED = 0.5  # of the median seed's rank IC
WORTH = 0.005  # of rank IC; less is not worth another training


def check_plateau(trace: Trace, seed: SeedTrace) -> Finding | None:
    """Look for epochs at the end that gave no more than luck does."""
    scores = _score(seed)
    if not len(scores):
        return None
    jitter = measure_jitter(scores)
    before = np.concatenate([[-np.inf], np.maximum.accumulate(scores)[:-1]])
    last = int(np.flatnonzero(scores > before + jitter)[-1])
    since = len(scores) - 1 - last
    stands = since >= max(STANDS, STANDS_SHARE * len(scores))
    phase = seed.phase_of(seed.epochs[-1])
    shorter = "kedro atft stop" if trace.is_running(seed) else set_param("training.epochs", last + 1, len(scores))
    waits = f"--params training.patience=3 (now {phase.params.patience or 'null'})"
    return Finding(
        about="plateau",
        state="watch" if stands else "ok",
        measured=f"validation {seed.selection.label} last rose in epoch {last + 1} of {len(scores)}, "
        f"to {scores[last]:.4f} (best {scores.max():.4f}; one epoch varies by ± {jitter:.4f} by chance)",
        advice=(shorter, waits, set_rate(trace, phase, 0.3)) if stands else (),
        seed=seed.seed,
        numbers={"since": since, "best": float(scores.max()), "jitter": jitter},
    )


def _score(seed: SeedTrace) -> Floats:
    """List the scores that the run is chosen by; the lowest where one is undefined."""
    scores = np.array([seed.selection.score(epoch.validation) for epoch in seed.epochs], dtype=np.float64)
    return np.where(np.isnan(scores), min(np.nanmin(scores, initial=np.inf), -1.0), scores)


def check_length(trace: Trace, seed: SeedTrace) -> Finding | None:
    """Look whether a training that is done was still getting better."""
    scores = _score(seed)
    no_skill = seed.selection.no_skill
    if len(scores) < 3 or not trace.is_done(seed) or no_skill is None:
        return None
    third, best = len(scores) // 3, float(scores.max())
    gained = best - float(scores[:-third].max())
    rises = best > no_skill and gained > max(RISES * (best - no_skill), WORTH, 2 * measure_jitter(scores))
    return Finding(
        about="length",
        state="watch" if rises else "ok",
        measured=f"the last {third} of {len(scores)} epochs gained {gained:.4f} of {best:.4f} validation "
        f"{seed.selection.label}",
        advice=(set_param("training.epochs", 2 * len(scores), len(scores)),) if rises else (),
        seed=seed.seed,
        numbers={"gained": gained, "best": best},
    )


def check_phases(trace: Trace, seed: SeedTrace) -> Finding | None:
    """Look for phases that took their time and gave nothing."""
    ended = [phase for phase in seed.phases if phase.epochs and _has_ended(trace, seed, phase)]
    no_skill = seed.selection.no_skill
    if len(ended) < 2 or no_skill is None:
        return None
    best = [max(seed.selection.score(epoch.validation) for epoch in phase.epochs) for phase in ended]
    gains = np.diff(np.fmax.accumulate([no_skill, *best]))
    seconds = np.array([sum(epoch.seconds for epoch in phase.epochs) for phase in ended])
    names = [phase.params.name for phase in ended]
    told = [f"{name} {gain:+.4f} in {took:.1f} s" for name, gain, took in zip(names, gains, seconds, strict=True)]
    idle = [name for name, gain in zip(names, gains, strict=True) if gain == 0]
    wasted = float(seconds[gains == 0].sum() / max(seconds.sum(), 1e-9))
    return Finding(
        about="phases",
        state="watch" if wasted > WASTED else "ok",
        measured=f"added to the best validation {seed.selection.label}: {', '.join(told)}",
        advice=(f"training.phases: without {enlist(idle)}",) if wasted > WASTED else (),
        seed=seed.seed,
        numbers={"wasted": wasted},
    )


def _has_ended(trace: Trace, seed: SeedTrace, phase: PhaseTrace) -> bool:
    return phase is not seed.phases[-1] or phase.epochs[-1].epoch >= phase.planned or trace.is_done(seed)


def check_swa(trace: Trace, seed: SeedTrace) -> Finding | None:
    """Look whether the weights still jump at the end, so that their mean is better than any of them."""
    if not seed.swa or np.isnan(mean := seed.selection.score(seed.swa)):
        return None
    best, phase = float(_score(seed).max()), seed.phase_of(seed.epochs[-1])
    jumps = mean - best > max(WORTH, 2 * measure_jitter(_score(seed)))
    return Finding(
        about="last weights",
        state="watch" if jumps else "ok",
        measured=f"the mean of the last epochs' weights has a validation {seed.selection.label} of {mean:.4f}, "
        f"the best epoch {best:.4f}; the better one is kept",
        advice=(set_rate(trace, phase, 0.3),) if jumps else (),
        seed=seed.seed,
        numbers={"swa": mean, "best": best},
    )


def check_seeds(trace: Trace) -> Iterator[Finding]:
    """Look whether the seeds that are done agree."""
    done = [seed for seed in trace.seeds if seed.epochs and trace.is_done(seed)]
    if len(done) < 2:
        return
    best = np.array([_score(seed).max() for seed in done])
    spread, mean, no_skill = float(best.std(ddof=1)), float(best.mean()), done[0].selection.no_skill
    floor = -np.inf if no_skill is None else no_skill + FAILED * max(float(np.median(best)) - no_skill, 0.0)
    failed = [seed.seed for seed, mine in zip(done, best, strict=True) if mine < floor]
    differ = spread > DIFFER * abs(mean - (no_skill or 0.0))
    told = ", ".join(f"{seed.seed} {mine:.4f}" for seed, mine in zip(done, best, strict=True))
    advice = [f"seed {enlist(map(str, failed))} learned little; lower learning rates fail less often"] if failed else []
    fastest = max(done[0].phases, key=lambda phase: phase.params.learning_rate)
    yield Finding(
        about="seeds",
        state=find_worst((differ, "watch"), (bool(failed), "trouble")),
        measured=f"best validation {done[0].selection.label} by seed: {told}; deviation {spread:.4f}",
        advice=(*advice, set_rate(trace, fastest, 0.5), set_param("training.seeds", 2 * len(done), len(done)))
        if differ or failed
        else (),
        numbers={"deviation": spread, "mean": mean},
    )
