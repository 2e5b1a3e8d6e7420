"""The diagnosis of a training: all checks, and which problems may cause others."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ..checks import SEVERITIES, Severity, find_worst
from ..params import Params, list_names
from . import epochs, evidence, gradients, losses, machine, scores
from .check_result import TrainingCheck
from .training_log import SeedLog, TrainingLog, read_training_log

RUN_CHECKS: tuple[Callable[[TrainingLog], Iterator[TrainingCheck]], ...] = (
    machine.check_status,
    gradients.check_skipped_steps,
    epochs.check_seeds,
    scores.check_scores_readable,
    evidence.check_sizes,
    evidence.check_baselines,
    scores.check_test_score,
)
SEED_CHECKS: tuple[Callable[[TrainingLog, SeedLog], TrainingCheck | None], ...] = (
    losses.check_divergence,
    losses.check_spikes,
    gradients.check_growth,
    gradients.check_clipping,
    gradients.check_modules,
    losses.check_learning_rate,
    scores.check_scale,
    scores.check_overfitting,
    scores.check_underfitting,
    epochs.check_plateau,
    epochs.check_length,
    epochs.check_phases,
    epochs.check_swa,
    machine.check_memory,
    machine.check_reading,
    machine.check_gpu,
    machine.check_speed,
)

UNSTABLE = ("skipped steps", "divergence", "loss spikes", "gradient")  # with one of these, scores mean little
FEW_DAYS = evidence.CHECK_NAMES["validation"]  # too few to compare epochs or phases
CAUSES = {
    "clipping": UNSTABLE,
    "scale": (*UNSTABLE, "learning rate", "overfitting"),
    "overfitting": (*UNSTABLE, "learning rate", "average"),
    "underfitting": (*UNSTABLE, "learning rate", "scale"),
    "plateau": (*UNSTABLE, "learning rate", "scale", "overfitting", "underfitting", FEW_DAYS),
    "training length": (*UNSTABLE, "learning rate", "scale", "overfitting", FEW_DAYS),
    "phases": (*UNSTABLE, "learning rate", "scale", "overfitting", "underfitting", FEW_DAYS),
    "SWA": (*UNSTABLE, "overfitting", FEW_DAYS),
}


class Diagnosis(Params):
    """The results of all checks of a run, the worst first."""

    run: str
    severity: Severity
    checks: tuple[TrainingCheck, ...]

    @property
    def headline(self) -> str:
        """One line that names the checks with errors and warnings."""
        texts = []
        for severity, label in (("error", "errors"), ("warn", "warnings")):
            names = list(dict.fromkeys(check.name for check in self.checks if check.severity == severity))
            texts += [f"{label}: {', '.join(names)}"] if names else []
        return "; ".join(texts) or "no problem found"

    def select(self, severity: Severity) -> list[TrainingCheck]:
        """Return the checks with one severity."""
        return [check for check in self.checks if check.severity == severity]


def diagnose(folder: Path) -> Diagnosis:
    """Check a run that is finished, has failed or is still training."""
    log = read_training_log(folder)
    checks = list(attribute_causes(list(run_checks(log))))
    checks.sort(key=lambda check: -SEVERITIES.index(check.severity))
    worst = find_worst(check.severity for check in checks)
    return Diagnosis(run=log.run, severity=worst, checks=tuple(checks))


def run_checks(log: TrainingLog) -> Iterator[TrainingCheck]:
    """Run every check for which the log has numbers."""
    for check_run in RUN_CHECKS:
        yield from check_run(log)
    for seed in log.seeds:
        for check_seed in SEED_CHECKS:
            if (result := check_seed(log, seed)) is not None:
                advice = result.advice if result.severity != "ok" else ()
                yield result.model_copy(update={"seed": seed.seed, "advice": advice})


def _is_few_days(check: TrainingCheck) -> bool:
    return (check.name, check.severity) == (FEW_DAYS, "warn")


def attribute_causes(checks: Sequence[TrainingCheck]) -> Iterator[TrainingCheck]:
    """Turn problems that a worse problem may cause into warnings that name that cause."""
    serious = [check for check in checks if check.severity == "error" or _is_few_days(check)]
    for check in checks:
        names = {other.name for other in serious if other.seed in {None, check.seed}}
        causes = [name for name in CAUSES.get(check.name, ()) if name in names]
        roots = [name for name in causes if names.isdisjoint(CAUSES.get(name, ()))]
        if check.severity == "ok" or not roots:
            yield check
        else:
            advice = (f"may be caused by {list_names(roots, 4)}: correct that first",)
            yield check.model_copy(update={"severity": "warn", "advice": advice})
