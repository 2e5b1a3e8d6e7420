"""A training looked over: every check, what it measured, and the worst of it."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ..params import Params
from . import epochs, evidence, gradients, losses, machine, scores
from .check_result import STATES, Finding, State, enlist
from .training_log import SeedTrace, Trace, read_trace

OF_RUN: tuple[Callable[[Trace], Iterator[Finding]], ...] = (
    machine.check_ending,
    gradients.check_finite,
    epochs.check_seeds,
    scores.check_readable,
    evidence.check_sizes,
    evidence.check_baselines,
    scores.check_new_days,
)
OF_SEED: tuple[Callable[[Trace, SeedTrace], Finding | None], ...] = (
    losses.check_divergence,
    losses.check_spikes,
    gradients.check_gradient,
    gradients.check_clipping,
    gradients.check_modules,
    losses.check_rate,
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
    machine.check_pace,
)

SPOILT = ("finite", "divergence", "loss spikes", "gradient")  # after these no score means much
FEW_DAYS = evidence.FEW["validation"]  # on which no epoch and no phase is known to be better than another
CAUSES = {
    "clipping": SPOILT,
    "scale": (*SPOILT, "learning rate", "overfitting"),
    "overfitting": (*SPOILT, "learning rate", "average"),
    "underfitting": (*SPOILT, "learning rate", "scale"),
    "plateau": (*SPOILT, "learning rate", "scale", "overfitting", "underfitting", FEW_DAYS),
    "length": (*SPOILT, "learning rate", "scale", "overfitting", FEW_DAYS),
    "phases": (*SPOILT, "learning rate", "scale", "overfitting", "underfitting", FEW_DAYS),
    "last weights": (*SPOILT, "overfitting", FEW_DAYS),
}


class Diagnosis(Params):
    """All that was found of a run, the worst first."""

    run: str
    state: State
    findings: tuple[Finding, ...]

    @property
    def headline(self) -> str:
        """Say how it is in one line."""
        said = []
        for state, word in (("trouble", "in trouble"), ("watch", "to watch")):
            about = list(dict.fromkeys(each.about for each in self.findings if each.state == state))
            said += [f"{word}: {', '.join(about)}"] if about else []
        return "; ".join(said) or "in order"

    def among(self, state: State) -> list[Finding]:
        """List what is in one state."""
        return [each for each in self.findings if each.state == state]


def diagnose(folder: Path) -> Diagnosis:
    """Look a run over, whether it is done, has ended otherwise or still trains."""
    trace = read_trace(folder)
    found = sorted(trace_back(list(look_over(trace))), key=lambda each: -STATES.index(each.state))
    return Diagnosis(run=trace.run, state=found[0].state, findings=tuple(found))


def look_over(trace: Trace) -> Iterator[Finding]:
    """Make every check that there are numbers for."""
    for look in OF_RUN:
        yield from look(trace)
    for seed in trace.seeds:
        for check in OF_SEED:
            found = check(trace, seed)
            if found is not None:
                yield found


def trace_back(found: Sequence[Finding]) -> Iterator[Finding]:
    """Say of what may come of something worse that this is to be mended first."""
    for each in found:
        worst = [
            other for other in found if other.state == "trouble" or (other.about, other.state) == (FEW_DAYS, "watch")
        ]
        near = {other.about for other in worst if other.seed in {None, each.seed}}
        causes = [about for about in CAUSES.get(each.about, ()) if about in near]
        roots = [about for about in causes if near.isdisjoint(CAUSES.get(about, ()))]
        if each.state == "ok" or not roots:
            yield each
        else:
            advice = (f"may come of {enlist(roots)}: mend that first",)
            yield each.model_copy(update={"state": "watch", "advice": advice})
