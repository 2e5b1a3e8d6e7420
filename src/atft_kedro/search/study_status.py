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
# retried: its worker ended before the trial, and another trial repeats it
# surplus: started although the wanted number of trials existed
MIN_COMPLETE_TRIALS = 5  # for parameter importances
TOP_SHARE = 0.1  # of the trials: the best ones, which the importances are about


class TrialSummary(Params):
    """One trial.

    ``score`` is the final score of a complete trial, else the best score of its epochs.
    """

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
    """The state of a study at the time it was read."""

    study: str
    wanted_trials: int
    trials: tuple[TrialSummary, ...]
    best_number: int | None  # number of the best complete trial
    importances: dict[str, float]  # by the path of the parameter
    seconds_left: float | None

    @property
    def counts(self) -> dict[State, int]:
        """Count the trials by state."""
        return dict(Counter(trial.state for trial in self.trials))

    @property
    def scored_trials(self) -> int:
        """Count the trials that are complete or pruned."""
        return self.counts.get("complete", 0) + self.counts.get("pruned", 0)

    @property
    def best_trial(self) -> TrialSummary | None:
        """Return the best trial; None if no trial is complete."""
        return None if self.best_number is None else self.trials[self.best_number]  # numbers are positions


def read_status(study: optuna.Study) -> StudyStatus:
    """Read the status of a study from its storage."""
    trials = study.get_trials(deepcopy=False)
    retried = list_retried(trials)
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    best = max(complete, key=lambda trial: cast("float", trial.value), default=None)
    wanted_trials = read_size(study).trials
    return StudyStatus(
        study=study.study_name,
        wanted_trials=wanted_trials,
        trials=tuple(_summarize(trial, is_retried=trial.number in retried) for trial in trials),
        best_number=None if best is None else best.number,
        importances=compute_importances(study) if len(complete) >= MIN_COMPLETE_TRIALS else {},
        seconds_left=_estimate_seconds_left(trials, wanted_trials),
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
        reason=attributes.get(REASON)
        or ("no reason recorded; the worker probably crashed" if state == "failed" else None),
    )


def compute_importances(study: optuna.Study) -> dict[str, float]:
    """Compute each parameter's importance for being among the best trials (PED-ANOVA).

    The importances of all parameters sum to 1. Values that are not finite are then left out.
    """
    with ignore_warnings():
        evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=TOP_SHARE)
        importances = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return {path: importance for path, importance in importances.items() if isfinite(importance)}


def _estimate_seconds_left(trials: list[FrozenTrial], wanted_trials: int) -> float | None:
    """Estimate the time left from the mean duration of the complete and pruned trials.

    The number of workers is assumed to stay that of the running trials. None until one trial is complete or pruned.
    """
    durations = [
        seconds for trial in trials if trial.state in SCORED_STATES and (seconds := _measure_seconds(trial)) is not None
    ]
    if not durations:
        return None
    mean = sum(durations) / len(durations)
    running = [trial for trial in trials if trial.state == TrialState.RUNNING]
    waiting = sum(trial.state == TrialState.WAITING for trial in trials)
    not_started = waiting + max(wanted_trials - len(list_first_attempts(trials)), 0)
    running_seconds = sum(max(mean - (_measure_seconds(trial) or 0.0), 0.0) for trial in running)
    return (not_started * mean + running_seconds) / max(len(running), 1)


def _measure_seconds(trial: FrozenTrial) -> float | None:
    """Measure the duration of a trial; of a running one, the time so far."""
    if trial.datetime_start is None:
        return None
    end = trial.datetime_complete or datetime.now(trial.datetime_start.tzinfo)
    return (end - trial.datetime_start).total_seconds()


def format_counts(status: StudyStatus) -> str:
    """Format the number of trials in each state."""
    return ", ".join(f"{count} {state}" for state, count in sorted(status.counts.items()))


def format_best(status: StudyStatus) -> str:
    """Format the number, score and epochs of the best trial."""
    best = status.best_trial
    if best is None:
        return "none yet"
    return f"trial {best.number}: {format_number(best.score)} after {best.epochs} epochs"
