"""The status of a study: its trials, the best one, parameter importances and the time left."""

from collections import Counter
from datetime import datetime
from math import isfinite
from typing import Literal, cast

import optuna
from optuna.trial import FrozenTrial, TrialState

from ..params import Params
from ..reporting.format import format_number
from .space import ParamValues
from .study import SCORED_STATES, SURPLUS, ignore_warnings, list_first_attempts, list_retried, read_size
from .trial import HOST, PID, REASON, RUN

State = Literal["complete", "pruned", "failed", "retried", "surplus", "running", "waiting"]
MIN_TRIALS = 5  # complete ones that parameter importances need


class TrialSummary(Params):
    """One trial; the score of a pruned one is the best that it reached."""

    number: int
    state: State
    score: float | None
    epochs: int
    seconds: float | None
    params: ParamValues
    run: str | None
    worker: str | None
    reason: str | None


class StudyStatus(Params):
    """A study at one moment."""

    study: str
    wanted: int
    trials: tuple[TrialSummary, ...]
    best: int | None  # number of the trial
    importance: dict[str, float]
    seconds_left: float | None

    @property
    def counts(self) -> dict[State, int]:
        """Count the trials by state."""
        return dict(Counter(trial.state for trial in self.trials))

    @property
    def scored(self) -> int:
        """Count the trials that have a final score."""
        return self.counts.get("complete", 0) + self.counts.get("pruned", 0)

    @property
    def winner(self) -> TrialSummary | None:
        """Return the best trial; None where no trial is complete."""
        return None if self.best is None else self.trials[self.best]


def read_status(study: optuna.Study) -> StudyStatus:
    """Read the status of a study from its storage."""
    trials = study.get_trials(deepcopy=False)
    retried = list_retried(trials)
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    best = max(complete, key=lambda trial: trial.value or 0.0, default=None)
    wanted = read_size(study).trials
    return StudyStatus(
        study=study.study_name,
        wanted=wanted,
        trials=tuple(_summarize(trial, is_retried=trial.number in retried) for trial in trials),
        best=None if best is None else best.number,
        importance=compute_importance(study) if len(complete) >= MIN_TRIALS else {},
        seconds_left=_estimate_seconds(trials, wanted),
    )


def _summarize(trial: FrozenTrial, *, is_retried: bool) -> TrialSummary:
    attributes = trial.user_attrs
    state = trial.state.name.lower()
    if trial.state == TrialState.FAIL:
        state = "surplus" if SURPLUS in attributes else "retried" if is_retried else "failed"
    scores = [score for score in trial.intermediate_values.values() if isfinite(score)]
    return TrialSummary(
        number=trial.number,
        state=cast("State", state),
        score=trial.value if trial.state == TrialState.COMPLETE else max(scores, default=None),
        epochs=len(trial.intermediate_values),
        seconds=_measure_seconds(trial),
        params=trial.params,
        run=attributes.get(RUN),
        worker=f"{attributes[PID]} on {attributes[HOST]}" if HOST in attributes else None,
        reason=attributes.get(REASON) or ("its workers died" if state == "failed" else None),
    )


def compute_importance(study: optuna.Study) -> dict[str, float]:
    """Compute how much the scores depend on each parameter; importances sum to 1."""
    with ignore_warnings():
        importance = optuna.importance.get_param_importances(study)
    return {path: share for path, share in importance.items() if isfinite(share)}


def _estimate_seconds(trials: list[FrozenTrial], wanted: int) -> float | None:
    """Estimate the time left from the mean trial and the number of workers; None before the first trial ends."""
    durations = [
        seconds for trial in trials if trial.state in SCORED_STATES and (seconds := _measure_seconds(trial)) is not None
    ]
    if not durations:
        return None
    mean = sum(durations) / len(durations)
    running = [trial for trial in trials if trial.state == TrialState.RUNNING]
    waiting = sum(trial.state == TrialState.WAITING for trial in trials)
    of_running = sum(max(mean - (_measure_seconds(trial) or 0.0), 0.0) for trial in running)
    left = (waiting + max(wanted - len(list_first_attempts(trials)), 0)) * mean + of_running
    return left / max(len(running), 1)


def _measure_seconds(trial: FrozenTrial) -> float | None:
    if trial.datetime_start is None:
        return None
    end = trial.datetime_complete or datetime.now(trial.datetime_start.tzinfo)
    return (end - trial.datetime_start).total_seconds()


def format_counts(status: StudyStatus) -> str:
    """Format the number of trials in each state."""
    return ", ".join(f"{count} {state}" for state, count in sorted(status.counts.items()))


def format_best(status: StudyStatus) -> str:
    """Format the best trial with its score."""
    best = status.winner
    return (
        "none yet" if best is None else f"trial {best.number}: {format_number(best.score)} after {best.epochs} epochs"
    )
