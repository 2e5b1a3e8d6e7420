"""One trial: a training with other parameters that reports its score after each epoch and can be pruned."""

import logging
import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from math import inf, isfinite
from pathlib import Path
from typing import Protocol, cast

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState

from ..params import InputError
from ..training.data import TrainingData
from ..training.engine import Callback, Stop, Trainer
from ..training.failure_checks import TrainingFailure
from ..training.params import SelectionParams
from ..training.run import train_in_run
from ..training.runs import Runs
from ..training.tracking import Tracker
from .space import Dimension, ParamValue, ParamValues, Range, apply_values, is_integer
from .study import MLFLOW_RUN, RETRY_HISTORY, STOP, SURPLUS, StudySpec, list_first_attempts, read_size, requeue_trial

RUN, REASON, HOST, PID, TRACKED = "run", "reason", "host", "pid", "tracked"  # user attributes of a trial
MAX_REASON = 500  # characters

_logger = logging.getLogger(__name__)


class TrialTrackers(Protocol):
    """Trackers of trials, each a child run of one tracked search."""

    def current(self) -> str | None:
        """Return the id of the tracked run that is active now."""

    def trial(
        self, name: str, params: Mapping[str, object], parent: str | None, former: str | None = None
    ) -> AbstractContextManager[Tracker]:
        """Track a trial as a child of ``parent``; continue ``former``, the run of an earlier worker."""


@dataclass(frozen=True)
class TrialRunner:
    """Runs the trials of a study in this worker."""

    study: optuna.Study
    spec: StudySpec
    training_data: TrainingData
    runs: Runs
    trackers: TrialTrackers
    started: list[int] = field(default_factory=list)  # numbers of this worker's trials

    def run(self, trial: optuna.Trial) -> float:
        """Train a trial and return its score; resume the run of a worker that died."""
        self.started.append(trial.number)
        try:
            return self._train(trial)
        except (Stop, KeyboardInterrupt):
            self._requeue(trial)
            raise Stop from None  # Optuna would record an interrupt as a failure
        except (optuna.TrialPruned, UpdateFinishedTrialError):
            raise
        except Exception as error:
            if not isinstance(error, InputError):
                _logger.exception("trial %d failed", trial.number)
            kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
            trial.set_user_attr(REASON, f"{kind}{error}"[:MAX_REASON])
            raise

    def _train(self, trial: optuna.Trial) -> float:
        trial.set_user_attr(HOST, os.uname().nodename)
        trial.set_user_attr(PID, os.getpid())
        self._require_wanted(trial)
        values = suggest_values(trial, self.spec.space)
        network, training = apply_values(values, self.spec.network, self.spec.training)
        earlier_run = trial.user_attrs.get(RUN)
        if earlier_run is not None and self.runs.is_free(earlier_run):
            training = training.model_copy(update={"resume": earlier_run})
        report = ReportScores(trial)
        parent = self.study.user_attrs.get(MLFLOW_RUN)
        with self.trackers.trial(f"trial {trial.number}", values, parent, trial.user_attrs.get(TRACKED)) as tracker:
            trial.set_user_attr(TRACKED, self.trackers.current())
            trial_tracker = TrialTracker(tracker, lambda run: trial.set_user_attr(RUN, run))
            try:
                train_in_run(
                    self.training_data, network, training, self.runs, tracker=trial_tracker, callbacks=[report]
                )
            except optuna.TrialPruned:
                report.is_pruned = True  # raised again below: the tracked run must not end as failed
            tracker.log_metrics({"score": report.best}, report.reported)
            tracker.set_tags({"trial": "pruned" if report.is_pruned else "complete"})
        if report.is_pruned:
            raise optuna.TrialPruned(f"Pruned after {report.reported} epochs with a score of {report.best:.4f}.")
        return report.best

    def _require_wanted(self, trial: optuna.Trial) -> None:
        """Refuse a trial that exceeds the wanted number: two workers can start the last one at once."""
        trials = self.study.get_trials(deepcopy=False)[: trial.number + 1]
        is_retry = RETRY_HISTORY in trials[-1].system_attrs
        if not is_retry and len(list_first_attempts(trials)) > read_size(self.study).trials:
            trial.set_user_attr(SURPLUS, True)
            raise InputError("Trial limit reached: another worker started the last trial.")

    def _requeue(self, trial: optuna.Trial) -> None:
        """Queue a stopped trial for the next worker."""
        if self.has_ended(trial.number):
            return
        self.study.tell(trial, state=TrialState.FAIL)
        requeue_trial(self.study, self.study.trials[trial.number], {})

    def has_ended(self, number: int) -> bool:
        """Return whether a trial has ended, for example because its worker missed its heartbeats."""
        return self.study.get_trials(deepcopy=False)[number].state.is_finished()


def suggest_values(trial: optuna.Trial, space: Mapping[str, Dimension]) -> ParamValues:
    """Let Optuna suggest a value for each parameter of the space."""
    return {path: _suggest_value(trial, path, dimension) for path, dimension in space.items()}


def _suggest_value(trial: optuna.Trial, path: str, dimension: Dimension) -> ParamValue:
    if not isinstance(dimension, Range):
        return cast("ParamValue", trial.suggest_categorical(path, dimension))
    if is_integer(path):
        step = int(dimension.step or 1)
        return trial.suggest_int(path, int(dimension.low), int(dimension.high), step=step, log=dimension.log)
    return trial.suggest_float(path, dimension.low, dimension.high, step=dimension.step, log=dimension.log)


def require_finite_score(selection: SelectionParams, epoch: int, scores: Mapping[str, float]) -> float:
    """Select the score of an epoch (from 0); raise an error if it is not finite."""
    score = selection.score(scores)
    if not isfinite(score):
        raise TrainingFailure(f"Epoch {epoch + 1} has no {selection.label} on the validation days: it diverged.")
    return score


@dataclass
class ReportScores(Callback):
    """Reports the score of each epoch to Optuna, and ends pruned or stopped trials."""

    trial: optuna.Trial
    best: float = -inf
    reported: int = 0  # epochs
    is_pruned: bool = False

    def after_epoch(self, trainer: Trainer, scores: dict[str, float]) -> None:
        """Report the epoch; raise if the trial is to be pruned or stopped."""
        self._report(trainer)
        if not trainer.is_done and self.trial.should_prune():
            raise optuna.TrialPruned
        if self.trial.study.user_attrs.get(STOP):
            raise Stop

    def after_fit(self, trainer: Trainer, scores: dict[str, float]) -> None:
        """Include the score of the weights averaged over the last epochs."""
        self._report(trainer)
        if scores:
            self.best = max(self.best, trainer.params.selection.score(scores))

    def _report(self, trainer: Trainer) -> None:
        """Report the epochs that were not reported yet; after a resume, those before it too."""
        history, selection = trainer.progress.history, trainer.params.selection
        for epoch in range(self.reported, len(history)):
            score = require_finite_score(selection, epoch, history[epoch])
            self.best = max(self.best, score)
            self.trial.report(score, epoch + 1)
        self.reported = len(history)


@dataclass(frozen=True)
class TrialTracker:
    """A tracker of one trial: tags the run as ``folder`` and leaves out checkpoints."""

    tracker: Tracker
    on_run: Callable[[str], None] | None = None  # called with the name of the run

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Tag the tracked run; it keeps the trial's name."""
        if self.on_run is not None:
            self.on_run(tags["run"])
        self.tracker.set_tags({"folder" if name == "run" else name: value for name, value in tags.items()})

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Log metrics."""
        self.tracker.log_metrics(metrics, step)

    def log_file(self, file: Path, folder: str) -> None:
        """Save a file; checkpoints are left out to save disk space."""
        if file.suffix != ".pt":
            self.tracker.log_file(file, folder)

    def log_text(self, text: str, name: str) -> None:
        """Save a text."""
        self.tracker.log_text(text, name)
