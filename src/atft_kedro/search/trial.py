"""One trial: a training with other parameters, which tells its score epoch by epoch and may be pruned."""

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
from ..training.run import train_in_run
from ..training.runs import Runs
from ..training.tracking import Tracker
from .space import Choice, Chosen, Dimension, Range, is_whole, put
from .study import MLFLOW_RUN, RETRY, STOP, SURPLUS, Spec, find_originals, queue_again, read_size

RUN, REASON, HOST, PID, TRACKED = "run", "reason", "host", "pid", "tracked"  # what a trial is told of itself
LONGEST = 500  # characters of a reason

_logger = logging.getLogger(__name__)


class Trackers(Protocol):
    """Where trials are tracked, each as a part of one experiment."""

    def current(self) -> str | None:
        """Name the experiment's run that is active now."""

    def trial(
        self, name: str, params: Mapping[str, object], parent: str | None, former: str | None = None
    ) -> AbstractContextManager[Tracker]:
        """Track a trial as a child of a run, or go on where a former worker was."""


@dataclass(frozen=True)
class Bench:
    """What every trial of a study is made with."""

    study: optuna.Study
    spec: Spec
    training_data: TrainingData
    runs: Runs
    trackers: Trackers
    begun: list[int] = field(default_factory=list)  # the numbers of this worker's trials

    def try_out(self, trial: optuna.Trial) -> float:
        """Train with a trial's parameters, or go on where its dead worker's last checkpoint is; give its score."""
        self.begun.append(trial.number)
        try:
            return self._train(trial)
        except (Stop, KeyboardInterrupt):
            self._hand_back(trial)
            raise Stop from None  # of an interrupt Optuna would make a failure
        except (optuna.TrialPruned, UpdateFinishedTrialError):
            raise
        except Exception as error:
            if not isinstance(error, InputError):
                _logger.exception("trial %d failed", trial.number)
            trial.set_user_attr(REASON, f"{_kind(error)}{error}"[:LONGEST])
            raise

    def _train(self, trial: optuna.Trial) -> float:
        for name, value in {HOST: os.uname().nodename, PID: os.getpid()}.items():
            trial.set_user_attr(name, value)
        self._require_wanted(trial)
        chosen = choose(trial, self.spec.space)
        network, training = put(chosen, self.spec.network, self.spec.training)
        begun = trial.user_attrs.get(RUN)
        if begun is not None and self.runs.is_free(begun):
            training = training.model_copy(update={"resume": begun})
        reporting = Reporting(trial)
        parent = self.study.user_attrs.get(MLFLOW_RUN)
        with self.trackers.trial(f"trial {trial.number}", chosen, parent, trial.user_attrs.get(TRACKED)) as tracker:
            trial.set_user_attr(TRACKED, self.trackers.current())
            told = TrialTracker(tracker, lambda run: trial.set_user_attr(RUN, run))
            try:
                train_in_run(self.training_data, network, training, self.runs, tracker=told, watchers=[reporting])
            except optuna.TrialPruned:
                reporting.is_pruned = True  # to the tracker an end like another, and no failure
            tracker.log({"score": reporting.best}, reporting.told)
            tracker.tag({"trial": "pruned" if reporting.is_pruned else "complete"})
        if reporting.is_pruned:
            raise optuna.TrialPruned(f"After {reporting.told} epochs it was behind others, at {reporting.best:.4f}.")
        return reporting.best

    def _require_wanted(self, trial: optuna.Trial) -> None:
        """Refuse a trial that two workers began at the same moment, where only one was wanted."""
        trials = self.study.get_trials(deepcopy=False)[: trial.number + 1]
        if RETRY not in trials[-1].system_attrs and len(find_originals(trials)) > read_size(self.study).trials:
            trial.set_user_attr(SURPLUS, True)
            raise InputError("One too many: another worker had begun the last that is wanted.")

    def _hand_back(self, trial: optuna.Trial) -> None:
        """Give a trial that was stopped to whoever works on the study next."""
        if self.has_ended(trial.number):
            return
        self.study.tell(trial, state=TrialState.FAIL)
        queue_again(self.study, self.study.trials[trial.number], {})

    def has_ended(self, number: int) -> bool:
        """Say whether a trial has ended, if only because its worker was thought to be dead."""
        return self.study.get_trials(deepcopy=False)[number].state.is_finished()


def choose(trial: optuna.Trial, space: Mapping[str, Dimension]) -> Chosen:
    """Ask for a value of each parameter."""
    return {path: _choose(trial, path, dimension) for path, dimension in space.items()}


def _choose(trial: optuna.Trial, path: str, dimension: Dimension) -> Choice:
    if not isinstance(dimension, Range):
        return cast("Choice", trial.suggest_categorical(path, dimension))
    if is_whole(path):
        step = int(dimension.step or 1)
        return trial.suggest_int(path, int(dimension.low), int(dimension.high), step=step, log=dimension.log)
    return trial.suggest_float(path, dimension.low, dimension.high, step=dimension.step, log=dimension.log)


@dataclass
class Reporting(Callback):
    """Reports each epoch's score, ends a trial that is not worth its time, and stops when the study is stopped."""

    trial: optuna.Trial
    best: float = -inf
    told: int = 0  # epochs
    is_pruned: bool = False

    def after_epoch(self, trainer: Trainer, scores: dict[str, float]) -> None:
        """Report, and ask what comes of it."""
        self._tell(trainer)
        if not trainer.is_done and self.trial.should_prune():
            raise optuna.TrialPruned
        if self.trial.study.user_attrs.get(STOP):
            raise Stop

    def at_end(self, trainer: Trainer, scores: dict[str, float]) -> None:
        """See what the average of the last epochs is worth."""
        self._tell(trainer)
        if scores:
            self.best = max(self.best, trainer.params.selection.score(scores))

    def _tell(self, trainer: Trainer) -> None:
        """Report the epochs that were not yet: where a training goes on, those before too."""
        history, selection = trainer.progress.history, trainer.params.selection
        for epoch in range(self.told, len(history)):
            score = selection.score(history[epoch])
            if not isfinite(score):
                raise TrainingFailure(
                    f"Epoch {epoch + 1} has no {selection.label} on the validation days: it diverged."
                )
            self.best = max(self.best, score)
            self.trial.report(score, epoch + 1)
        self.told = len(history)


@dataclass(frozen=True)
class TrialTracker:
    """Tells a trial its run's name as soon as it has one, and a tracker all but the weights and that name."""

    tracker: Tracker
    begin: Callable[[str], None]

    def tag(self, tags: Mapping[str, str]) -> None:
        """Say what a run is made of; it keeps the trial's name."""
        self.begin(tags["run"])
        self.tracker.tag({"folder" if name == "run" else name: value for name, value in tags.items()})

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Write numbers down."""
        self.tracker.log(metrics, step)

    def keep(self, file: Path, folder: str) -> None:
        """Keep a file, unless it is a checkpoint: of many trials that would be much."""
        if file.suffix != ".pt":
            self.tracker.keep(file, folder)

    def write(self, text: str, name: str) -> None:
        """Keep a text."""
        self.tracker.write(text, name)


def _kind(error: Exception) -> str:
    return "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
