"""A worker: takes trials of a study one after the other until there are no more, beside any others."""

import logging
import os
import time
from datetime import datetime
from math import isfinite, nan
from pathlib import Path
from zlib import crc32

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.samplers import TPESampler
from optuna.storages import fail_stale_trials
from optuna.trial import FrozenTrial, TrialState

from ..params import InputError
from .space import say_chosen
from .study import FINISHED, SILENT, STARTUP, STOP, SURPLUS, bury, find_originals, quiet, read_size
from .trial import HOST, REASON, RUN, Bench

HOPELESS = 3  # trials that fail before any succeeds: whatever it is will fail all others too
SOON = 5.0  # seconds between looks at what other workers do

_logger = logging.getLogger(__name__)


def work(bench: Bench) -> None:
    """Try until as many trials have begun as are wanted and all have ended, here or elsewhere."""
    study, awaited = bench.study, ""
    while True:
        _require_going(study)
        _bury_dead(study, SILENT * bench.spec.heartbeat_seconds)
        trials = study.get_trials(deepcopy=False)
        running = ", ".join(str(trial.number) for trial in trials if trial.state == TrialState.RUNNING)
        if is_work_left(trials, read_size(study).trials):
            me = f"{os.getpid()} on {os.uname().nodename}" if running else "alone"
            try_one(bench, f"{len(find_originals(trials))} {me}")
        elif not running:
            return
        elif running != awaited:
            awaited = running
            _logger.info("waiting for other workers' trials: %s", running)
        else:
            time.sleep(min(bench.spec.heartbeat_seconds, SOON))


def _require_going(study: optuna.Study) -> None:
    if study.user_attrs.get(STOP):
        raise InputError(
            f"The study {study.study_name} was stopped; kedro run --pipelines hpo with its parameters goes on with it."
        )


def _bury_dead(study: optuna.Study, silence: float) -> None:
    """Let trials be tried again whose worker has died, even before its first heartbeat."""
    with quiet():
        fail_stale_trials(study)
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        assert trial.datetime_start is not None
        age = datetime.now(trial.datetime_start.tzinfo) - trial.datetime_start
        if HOST not in trial.user_attrs and age.total_seconds() > silence:
            study.tell(trial.number, state=TrialState.FAIL)
            bury(study, trial)


def is_work_left(trials: list[FrozenTrial], wanted: int) -> bool:
    """Say whether a trial is to be tried again, or fewer have begun than are wanted."""
    return any(trial.state == TrialState.WAITING for trial in trials) or len(find_originals(trials)) < wanted


def try_one(bench: Bench, place: str) -> None:
    """Try one trial, whatever becomes of it; its place in the search decides its random numbers."""
    study = bench.study
    startup = max(read_size(study).trials // 3, STARTUP)
    study.sampler = TPESampler(n_startup_trials=startup, seed=crc32(f"{bench.spec.seed} {place}".encode()))
    try:
        study.optimize(
            bench.try_out,
            n_trials=1,
            catch=(Exception,),
            gc_after_trial=True,
            callbacks=[lambda _, trial: _end(bench, trial)],
        )
    except (UpdateFinishedTrialError, ValueError):  # Optuna's ways to say that a trial had ended before its worker did
        if not bench.has_ended(bench.begun[-1]):
            raise
        _logger.warning("trial %d was given to another worker, for this one was silent too long", bench.begun[-1])
    _require_hope(study)


def _end(bench: Bench, trial: FrozenTrial) -> None:
    """Tell how a trial ended, and tidy up after it."""
    scores = [score for score in trial.intermediate_values.values() if isfinite(score)]
    score = trial.value if trial.state == TrialState.COMPLETE else max(scores, default=nan)
    told = trial.user_attrs.get(REASON) or f"score {score:.4f} after {len(scores)} epochs, {say_chosen(trial.params)}"
    _logger.info("trial %d %s: %s", trial.number, trial.state.name.lower(), told)
    forget_checkpoints(bench.runs.folder, trial)


def forget_checkpoints(folder: Path, trial: FrozenTrial) -> None:
    """Remove what an ended trial does not need any more: of many trials it would be much."""
    if RUN in trial.user_attrs:
        for checkpoint in (folder / trial.user_attrs[RUN]).rglob("*.pt"):
            checkpoint.unlink()


def _require_hope(study: optuna.Study) -> None:
    """Give up where nothing but failures has come."""
    trials = [trial for trial in study.get_trials(deepcopy=False) if SURPLUS not in trial.user_attrs]
    failed = [trial for trial in trials if trial.state == TrialState.FAIL and REASON in trial.user_attrs]
    if len(failed) >= HOPELESS and not any(trial.state in FINISHED for trial in trials):
        told = "\n".join(f"  trial {trial.number}: {trial.user_attrs[REASON]}" for trial in failed[:HOPELESS])
        raise InputError(f"The first {len(failed)} trials of the study {study.study_name} all failed:\n{told}")
