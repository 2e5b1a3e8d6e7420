"""Checks of the gradients: skipped steps, growing, vanishing or clipped norms, modules without gradient."""

from collections.abc import Iterator

import numpy as np

from ..advice import advise_run
from ..checks import choose_severity
from ..network.params import MODULES
from ..params import list_names
from .check_result import (
    TrainingCheck,
    advise_learning_rate,
    advise_phase_param,
    advise_weight_decay,
    find_phase_with_largest,
    phase_prefix,
)
from .training_log import MODULE_GRADIENT, Floats, PhaseLog, SeedLog, SkippedStep, TrainingLog

MAX_SKIPPED_SHARE = 0.01  # of steps; fewer cost next to nothing
FIRST_STEPS = 5  # the first norm of a phase is the median of so many steps
MIN_STEPS = 30  # of a phase, to measure a trend or a share
MAX_GROWTH, MIN_GROWTH = 10.0, 0.01  # last norm divided by the first; noise of the loss changes it less
MAX_CLIPPED_SHARE = 0.5  # of steps; above it, extreme and normal days have the same weight
MAX_CLIP_INCREASE = 10.0  # of the limit for clipping; beyond it, a lower learning rate is advised
MIN_MODULE_SHARE = 1e-5  # of the whole norm; less is rounding error


def check_skipped_steps(log: TrainingLog) -> Iterator[TrainingCheck]:
    """Check for steps whose loss or gradient was not finite, and for infinite features in them."""
    steps = sum(len(phase.step_numbers) for seed in log.seeds for phase in seed.phases)
    count, budget = len(log.skipped), log.training.nan_budget
    numbers: dict[str, float] = {"skipped": count, "steps": steps}
    if not log.skipped:
        if steps:
            message = f"none: loss and gradient were finite in all {steps:,} steps"
            yield TrainingCheck(name="skipped steps", severity="ok", message=message, numbers=numbers)
        return
    first = log.skipped[0]
    features = list(dict.fromkeys(name for step in log.skipped for name in step.infinite_features))
    codes = sorted({code for step in log.skipped for code in step.codes_with_infinite_features})
    terms = sorted(first.not_finite, key=lambda term: "/" in term)
    message = (
        f"{count:,} of {max(steps, log.skipped[-1].step):,} steps were skipped (nan_budget {budget}), the first at "
        f"step {first.step:,} of phase {first.phase} on {first.days[0]} to {first.days[-1]}, not finite: "
        f"{list_names(terms, 4)}"
    )
    message += f"; infinite in the panel: {list_names(features, 4)} of {list_names(codes, 4)}" if features else ""
    is_frequent = count > max(MAX_SKIPPED_SHARE * steps, 1) or count > budget
    yield TrainingCheck(
        name="skipped steps",
        severity="error" if features or is_frequent else "warn",
        message=message,
        advice=_advise_finite(log, first, features),
        numbers=numbers,
    )


def _advise_finite(log: TrainingLog, first: SkippedStep, features: list[str]) -> tuple[str, ...]:
    """Advise how to avoid steps that are not finite."""
    if features:
        names = list_names(features, 4)
        return (f"correct {names} in the ML dataset; {advise_run('--pipelines guard')} checks all features",)
    phases = [phase for seed in log.seeds for phase in seed.phases if phase.params.name == first.phase]
    return (
        *(["--params training.precision=fp32 (now bf16)"] if log.training.precision == "bf16" else []),
        *(advise_learning_rate(log, phase, 0.5) for phase in phases[:1]),
        f"{advise_run(mode='safe')} names the first tensor that is not finite",
    )


def check_growth(log: TrainingLog, seed: SeedLog) -> TrainingCheck | None:
    """Check whether the gradient norm explodes or vanishes within a phase."""
    found = find_phase_with_largest(
        seed.phases,
        lambda phase: abs(np.log(_measure_growth(phase))) if len(phase.select_finite("gradient")[0]) else None,
    )
    if found is None:
        return None
    phase, growth = found[0], _measure_growth(found[0])
    steps, norms = phase.select_finite("gradient")
    first, last = _measure_ends(norms)
    advice: tuple[str, ...] = ()
    if growth > MAX_GROWTH:
        warmup = advise_phase_param(phase, "warmup", 0.3, phase.params.warmup)
        advice = (advise_learning_rate(log, phase, 0.3), warmup)
    elif growth < MIN_GROWTH:
        advice = (advise_weight_decay(log, 0.25), advise_learning_rate(log, phase, 0.3))
    return TrainingCheck(
        name="gradient",
        severity=choose_severity((growth > MAX_GROWTH, "error"), (growth < MIN_GROWTH, "warn")),
        message=f"{phase_prefix(log, phase)}the norm is {first:.3g} at first and {last:.3g} at the end, at most "
        f"{norms.max():.3g} (step {steps[norms.argmax()]:,})",
        advice=advice,
        numbers={"first": first, "last": last, "highest": float(norms.max())},
    )


def _measure_ends(norms: Floats) -> tuple[float, float]:
    """Return the median norm of the first steps and of the last third."""
    return float(np.median(norms[:FIRST_STEPS])), float(np.median(norms[-max(len(norms) // 3, 1) :]))


def _measure_growth(phase: PhaseLog) -> float:
    """Divide the last norm of a phase by its first; 1 for fewer than `MIN_STEPS` steps."""
    _, norms = phase.select_finite("gradient")
    first, last = _measure_ends(norms)
    return max(last, 1e-30) / first if len(norms) >= MIN_STEPS and first > 0 else 1.0


def check_clipping(log: TrainingLog, seed: SeedLog) -> TrainingCheck | None:
    """Check whether most steps are clipped."""

    def _measure_share(phase: PhaseLog) -> float | None:
        _, norms = phase.select_finite("gradient")
        return float(np.mean(norms > phase.params.clip_norm)) if len(norms) >= MIN_STEPS else None

    found = find_phase_with_largest(seed.phases, _measure_share)
    if found is None:
        return None
    phase, share = found
    clip, high_norm = phase.params.clip_norm, float(np.quantile(phase.select_finite("gradient")[1], 0.9))
    if high_norm < MAX_CLIP_INCREASE * clip:
        advice = advise_phase_param(phase, "clip_norm", high_norm, clip)
    else:
        advice = advise_learning_rate(log, phase, 0.5)
    return TrainingCheck(
        name="clipping",
        severity="warn" if share > MAX_CLIPPED_SHARE else "ok",
        message=f"{phase_prefix(log, phase)}the gradient is clipped to {clip:g} in {share:.1%} of the steps; "
        f"the norm of 90% of the steps is at most {high_norm:.3g}",
        advice=(advice,),
        numbers={"share": share, "clip_norm": clip},
    )


def check_modules(log: TrainingLog, seed: SeedLog) -> TrainingCheck | None:
    """Check for an enabled module whose gradient is zero or nearly zero."""
    shares = [(share, phase, name) for phase in seed.phases for name, share in _measure_module_shares(phase)]
    if not shares:
        return None
    share, phase, name = min(shares, key=lambda entry: entry[0])
    compare = f"train with --params training.without={name} and compare the runs"
    return TrainingCheck(
        name="modules",
        severity=choose_severity((share < MIN_MODULE_SHARE, "warn"), (share == 0, "error")),
        message=f"{phase_prefix(log, phase)}{name} has the smallest share of the gradient norm, {share:.1g}",
        advice=(compare if name in MODULES else advise_weight_decay(log, 0.25),),
        numbers={"share": share},
    )


def _measure_module_shares(phase: PhaseLog) -> Iterator[tuple[str, float]]:
    """Measure the median share of the gradient norm of each trained module."""
    enabled = phase.params.modules
    untrained = {*MODULES} - {*enabled} | (set() if "fan" in enabled else {"trend_projection"}) | {*phase.params.freeze}
    total = phase.steps["gradient"]
    for column, norms in phase.steps.items():
        name = column.removeprefix(MODULE_GRADIENT)
        is_known = np.isfinite(norms) & (total > 0)
        if name != column and name not in untrained and is_known.sum() > 1:
            yield name, float(np.median(norms[is_known] / total[is_known]))
