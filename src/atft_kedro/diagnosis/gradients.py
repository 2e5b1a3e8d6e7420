"""What the gradients tell: what was not finite, norms that grow, die out or are cut, modules that hear nothing."""

from collections.abc import Iterator

import numpy as np

from ..network.params import MODULES
from .check_result import Finding, enlist, find_worst, name_phase, pick, set_decay, set_in_phase, set_rate
from .training_log import Floats, PhaseTrace, SeedTrace, Skipped, Trace

SKIPPED_SHARE = 0.01  # of steps; what is rarer costs next to nothing
FIRST = 5  # steps whose median is where a phase's gradient begins
FEWEST_STEPS = 30  # of a phase, for fewer have neither trend nor rule
EXPLODES = 10.0  # times its beginning: more than the loss's own noise ever makes
VANISHES = 0.01  # of its beginning
CLIPPED_SHARE = 0.5  # of steps; beyond, clipping is the rule, and lets the wild days weigh no more than the calm
DEAF = 1e-5  # of the whole norm: what rounding leaves


def check_finite(trace: Trace) -> Iterator[Finding]:
    """Look for steps whose loss or gradient was not finite, and at what they saw."""
    steps = sum(len(phase.number) for seed in trace.seeds for phase in seed.phases)
    if not trace.skipped:
        if steps:
            told = f"loss and gradient were, in all {steps:,} steps"
            yield Finding(about="finite", state="ok", measured=told, numbers={"skipped": 0, "steps": steps})
        return
    count, first, budget = len(trace.skipped), trace.skipped[0], trace.training.nan_budget
    features = list(dict.fromkeys(name for each in trace.skipped for name in each.infinite_features))
    codes = sorted({code for each in trace.skipped for code in each.codes_with_infinite_features})
    told = (
        f"{count:,} of {max(steps, trace.skipped[-1].step):,} steps were skipped (nan_budget {budget}), the first at "
        f"step {first.step:,} of phase {first.phase} on {first.days[0]} to {first.days[-1]}, not finite: "
        f"{enlist(sorted(first.not_finite, key=lambda term: '/' in term))}"
    )
    told += f"; infinite in the panel: {enlist(features)} of {enlist(codes)}" if features else ""
    is_often = count > max(SKIPPED_SHARE * steps, 1) or count > budget
    yield Finding(
        about="finite",
        state="trouble" if features or is_often else "watch",
        measured=told,
        advice=_mend(trace, first, features),
        numbers={"skipped": count, "steps": steps},
    )


def _mend(trace: Trace, first: Skipped, features: list[str]) -> tuple[str, ...]:
    """Advise what to do about steps that are not finite."""
    if features:
        return (f"mend {enlist(features)} in the ML dataset; kedro run --pipelines guard looks for more",)
    phases = [phase for seed in trace.seeds for phase in seed.phases if phase.params.name == first.phase]
    return (
        *(["--params training.precision=fp32 (now bf16)"] if trace.training.precision == "bf16" else []),
        *(set_rate(trace, phase, 0.5) for phase in phases[:1]),
        "kedro run --env safe names the first tensor that is not finite",
    )


def check_gradient(trace: Trace, seed: SeedTrace) -> Finding | None:
    """Look whether the gradient grows or dies out while a phase runs."""
    found = pick(seed.phases, lambda phase: abs(np.log(_grow(phase))) if len(_norms(phase)) else None)
    if found is None:
        return None
    phase = found[0]
    norms, growth = _norms(phase), _grow(phase)
    early, late = _ends(norms)
    largest = phase.number[np.isfinite(phase.steps["gradient"])][norms.argmax()]
    advice: tuple[str, ...] = ()
    if growth > EXPLODES:
        advice = (set_rate(trace, phase, 0.3), set_in_phase(phase, "warmup", 0.3, phase.params.warmup))
    elif growth < VANISHES:
        advice = (set_decay(trace, 0.25), set_rate(trace, phase, 0.3))
    return Finding(
        about="gradient",
        state=find_worst((growth > EXPLODES, "trouble"), (growth < VANISHES, "watch")),
        measured=f"{name_phase(trace, phase)}its norm is {early:.3g} at first and {late:.3g} at last, at most "
        f"{norms.max():.3g} (step {largest:,})",
        advice=advice,
        seed=seed.seed,
        numbers={"first": early, "last": late, "most": float(norms.max())},
    )


def _norms(phase: PhaseTrace) -> Floats:
    norms = phase.steps["gradient"]
    return norms[np.isfinite(norms)]


def _ends(norms: Floats) -> tuple[float, float]:
    """Take the medians of the first steps and of the last third."""
    return float(np.median(norms[:FIRST])), float(np.median(norms[-max(len(norms) // 3, 1) :]))


def _grow(phase: PhaseTrace) -> float:
    """Say how many times its first norm the last is."""
    norms = _norms(phase)
    early, late = _ends(norms)
    return max(late, 1e-30) / early if len(norms) >= FEWEST_STEPS and early > 0 else 1.0


def check_clipping(trace: Trace, seed: SeedTrace) -> Finding | None:
    """Look whether clipping is the rule."""
    found = pick(seed.phases, lambda phase: _clip(phase) if len(_norms(phase)) >= FEWEST_STEPS else None)
    if found is None:
        return None
    phase, share = found
    clip, usual = phase.params.clip_norm, float(np.quantile(_norms(phase), 0.9))
    raise_it = [set_in_phase(phase, "clip_norm", usual, clip)] if usual < EXPLODES * clip else []
    advice = tuple(raise_it or [set_rate(trace, phase, 0.5)])
    return Finding(
        about="clipping",
        state="watch" if share > CLIPPED_SHARE else "ok",
        measured=f"{name_phase(trace, phase)}the gradient is cut to {clip:g} in {share:.1%} of the steps; nine in ten "
        f"have at most {usual:.3g}",
        advice=advice if share > CLIPPED_SHARE else (),
        seed=seed.seed,
        numbers={"share": share, "clip_norm": clip},
    )


def _clip(phase: PhaseTrace) -> float:
    return float(np.mean(_norms(phase) > phase.params.clip_norm))


def check_modules(trace: Trace, seed: SeedTrace) -> Finding | None:
    """Look for a module that is switched on and gets no gradient."""
    shares = {(phase.place, name): share for phase in seed.phases for name, share in _hear(phase)}
    if not shares:
        return None
    (place, name), share = min(shares.items(), key=lambda pair: pair[1])
    phase = next(each for each in seed.phases if each.place == place)
    told = f"{name_phase(trace, phase)}{name} gets the least of the gradient, {share:.1g} of its norm"
    advice = f"--params training.without={name} shows what it is worth" if name in MODULES else set_decay(trace, 0.25)
    return Finding(
        about="modules",
        state=find_worst((share < DEAF, "watch"), (share == 0, "trouble")),
        measured=told,
        advice=(advice,) if share < DEAF else (),
        seed=seed.seed,
        numbers={"share": share},
    )


def _hear(phase: PhaseTrace) -> Iterator[tuple[str, float]]:
    """Say which share of the gradient's norm each module that learns in a phase gets, in the median."""
    modules = phase.params.modules
    off = {part for part in MODULES if part not in modules} | (set() if "fan" in modules else {"trend_projection"})
    still = off | set(phase.params.freeze)
    for column, norms in phase.steps.items():
        name = column.removeprefix("gradient/")
        known = np.isfinite(norms) & (phase.steps["gradient"] > 0)
        if name != column and name not in still and known.sum() > 1:
            yield name, float(np.median(norms[known] / phase.steps["gradient"][known]))
