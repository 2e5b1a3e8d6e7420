"""Where a study stands: its trials, the best of them, what mattered, how long it will take."""

from collections import Counter
from datetime import datetime
from math import isfinite
from typing import Literal

import optuna
from optuna.trial import FrozenTrial, TrialState

from ..params import Params
from ..reporting.format import format_number
from .space import Chosen
from .study import FINISHED, SURPLUS, find_originals, find_retried, quiet, read_size
from .trial import HOST, PID, REASON, RUN

State = Literal["complete", "pruned", "failed", "retried", "surplus", "running", "waiting"]
ENOUGH = 5  # finished trials to say what mattered
STATES: dict[TrialState, State] = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
}


class TriedTrial(Params):
    """What became of a trial; a pruned one has the best score that it reached."""

    number: int
    state: State
    score: float | None
    epochs: int
    seconds: float | None
    chosen: Chosen
    run: str | None
    worker: str | None
    reason: str | None


class Standing(Params):
    """A study at a moment."""

    study: str
    wanted: int
    trials: tuple[TriedTrial, ...]
    best: int | None  # its number
    importance: dict[str, float]
    seconds_left: float | None

    @property
    def counts(self) -> dict[State, int]:
        """Count the trials by what became of them."""
        return dict(Counter(trial.state for trial in self.trials))

    @property
    def tried(self) -> int:
        """Count the trials that gave a score."""
        return self.counts.get("complete", 0) + self.counts.get("pruned", 0)

    @property
    def winner(self) -> TriedTrial | None:
        """Find the best trial."""
        return None if self.best is None else self.trials[self.best]


def read_standing(study: optuna.Study) -> Standing:
    """Read where a study stands."""
    trials = study.get_trials(deepcopy=False)
    retried = find_retried(trials)
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    best = max(complete, key=lambda trial: trial.value or 0.0, default=None)
    wanted = read_size(study).trials
    return Standing(
        study=study.study_name,
        wanted=wanted,
        trials=tuple(_tell(trial, is_retried=trial.number in retried) for trial in trials),
        best=None if best is None else best.number,
        importance=measure_importance(study) if len(complete) >= ENOUGH else {},
        seconds_left=_expect_seconds(trials, wanted),
    )


def _tell(trial: FrozenTrial, *, is_retried: bool) -> TriedTrial:
    told = trial.user_attrs
    state = "retried" if is_retried and trial.state == TrialState.FAIL else STATES[trial.state]
    if SURPLUS in told:
        state = "surplus"
    scores = [score for score in trial.intermediate_values.values() if isfinite(score)]
    return TriedTrial(
        number=trial.number,
        state=state,
        score=trial.value if trial.state == TrialState.COMPLETE else max(scores, default=None),
        epochs=len(trial.intermediate_values),
        seconds=_seconds(trial),
        chosen=trial.params,
        run=told.get(RUN),
        worker=f"{told[PID]} on {told[HOST]}" if HOST in told else None,
        reason=told.get(REASON) or ("its workers died of it" if state == "failed" else None),
    )


def measure_importance(study: optuna.Study) -> dict[str, float]:
    """Say which parameters the scores of the finished trials depend on, in parts of one."""
    with quiet():
        importance = optuna.importance.get_param_importances(study)
    return {path: share for path, share in importance.items() if isfinite(share)}


def _expect_seconds(trials: list[FrozenTrial], wanted: int) -> float | None:
    """Expect the rest to take as long as the trials before, by as many workers as work now."""
    took = [seconds for trial in trials if trial.state in FINISHED and (seconds := _seconds(trial)) is not None]
    running = [trial for trial in trials if trial.state == TrialState.RUNNING]
    waiting = sum(trial.state == TrialState.WAITING for trial in trials)
    if not took:
        return None
    mean = sum(took) / len(took)
    begun = [max(mean - (seconds or 0.0), 0.0) for seconds in map(_seconds, running)]
    left = (waiting + max(wanted - len(find_originals(trials)), 0)) * mean + sum(begun)
    return left / max(len(running), 1)


def _seconds(trial: FrozenTrial) -> float | None:
    if trial.datetime_start is None:
        return None
    end = trial.datetime_complete or datetime.now(trial.datetime_start.tzinfo)
    return (end - trial.datetime_start).total_seconds()


def say_counts(standing: Standing) -> str:
    """Write what became of the trials."""
    return ", ".join(f"{count} {state}" for state, count in sorted(standing.counts.items()))


def say_best(standing: Standing) -> str:
    """Write which trial is the best."""
    best = standing.winner
    return (
        "none yet" if best is None else f"trial {best.number}: {format_number(best.score)} after {best.epochs} epochs"
    )
