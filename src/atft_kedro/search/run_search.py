"""Run a search: create or join a study, and run trials until all have ended."""

import logging
import os
import time
from dataclasses import replace
from datetime import datetime
from math import isfinite, nan
from pathlib import Path
from zlib import crc32

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.samplers import TPESampler
from optuna.storages import fail_stale_trials
from optuna.trial import FrozenTrial, TrialState

from ..advice import advise_run
from ..network.params import NetworkParams
from ..params import InputError
from ..training.data import TrainingData
from ..training.distributed import is_torchrun
from ..training.hardware import choose_device
from ..training.params import TrainingParams
from ..training.runs import Runs
from .plan import SearchParams
from .space import format_values
from .study import (
    MLFLOW_RUN,
    SCORED_STATES,
    STALE_HEARTBEATS,
    STOP,
    SURPLUS,
    create_study,
    find_size,
    ignore_warnings,
    list_first_attempts,
    load_study,
    make_spec,
    read_size,
    read_spec,
    retry_stale_trial,
)
from .study_status import StudyStatus, read_status
from .trial import HOST, REASON, RUN, TrialRunner, TrialTrackers

STUDIES_FILE = "studies.db"
MAX_FAILURES_WITHOUT_SCORE = 3  # a search ends when so many trials have failed and none has a score
MIN_RANDOM_TRIALS = 3  # before values are sampled near those of good trials
POLL_SECONDS = 5.0  # between checks of other workers' trials

_logger = logging.getLogger(__name__)


def find_storage(params: SearchParams, trial_runs: Runs) -> str:
    """Return the URL of the database of studies; by default a file in the folder of the trials."""
    return params.storage or f"sqlite:///{trial_runs.folder / STUDIES_FILE}"


def search(
    data: TrainingData,
    current_params: tuple[NetworkParams, TrainingParams],
    params: SearchParams,
    trial_runs: Runs,
    trackers: TrialTrackers,
) -> StudyStatus:
    """Create a study, or continue an existing one with the same settings, and run its trials."""
    network, training = current_params
    if training.resume is not None:
        raise InputError("training.resume is for one run; a search resumes its trials itself. Leave it out.")
    if training.init_from is not None:
        raise InputError("training.init_from is for one run: the trials of a search start from scratch. Leave it out.")
    if is_torchrun():
        raise InputError("A search cannot run under torchrun: start kedro atft hpo worker on each machine.")
    training.selection.weigh_horizons(network.horizons or data.panel.metadata.horizons)
    url = find_storage(params, trial_runs)
    size = params.choose_size(find_size(url, params.study))
    study = create_study(url, params.study, make_spec(params, size, current_params, data), size)
    if MLFLOW_RUN not in study.user_attrs and (parent := trackers.current()) is not None:
        study.set_user_attr(MLFLOW_RUN, parent)
    return _run_trials(study, data, trial_runs, trackers)


def join_search(name: str, data: TrainingData, url: str, trial_runs: Runs, trackers: TrialTrackers) -> StudyStatus:
    """Run trials of an existing study, together with its other workers."""
    spec = read_spec(load_study(url, name))
    spec.require_data(name, data)
    study = load_study(url, name, spec.heartbeat_seconds)  # again, with the heartbeat that the study specifies
    return _run_trials(study, data, trial_runs, trackers)


def _run_trials(study: optuna.Study, data: TrainingData, trial_runs: Runs, trackers: TrialTrackers) -> StudyStatus:
    """Run trials until as many as wanted have started and all have ended, here or in other workers."""
    spec = read_spec(study)
    study_runs = replace(trial_runs, folder=trial_runs.folder / study.study_name)
    runner = TrialRunner(study, spec, data.to(choose_device(spec.training.device)), study_runs, trackers)
    logged_running = ""
    while True:
        _require_not_stopped(study)
        _retry_stale_trials(study, STALE_HEARTBEATS * spec.heartbeat_seconds)
        trials = study.get_trials(deepcopy=False)
        running = ", ".join(str(trial.number) for trial in trials if trial.state == TrialState.RUNNING)
        started = len(list_first_attempts(trials))
        if started < read_size(study).trials or any(trial.state == TrialState.WAITING for trial in trials):
            # Workers at the same time sample different values; a worker without others always the same ones.
            worker = f"{os.getpid()} on {os.uname().nodename}" if running else "alone"
            _run_trial(runner, f"{started} {worker}")
        elif not running:
            return read_status(study)
        elif running != logged_running:
            logged_running = running
            _logger.info("waiting for trials of other workers: %s", running)
        else:
            time.sleep(min(spec.heartbeat_seconds, POLL_SECONDS))


def _require_not_stopped(study: optuna.Study) -> None:
    if study.user_attrs.get(STOP):
        raise InputError(
            f"The study {study.study_name} was stopped. To continue it: {advise_run('--pipelines hpo')}, with the "
            "hpo parameters that it was started with."
        )


def _retry_stale_trials(study: optuna.Study, max_seconds: float) -> None:
    """Queue the trials of dead workers again, also of those that died before they recorded their host."""
    with ignore_warnings():
        fail_stale_trials(study)  # calls `retry_stale_trial` for trials that missed their heartbeats
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        assert trial.datetime_start is not None
        age = datetime.now(trial.datetime_start.tzinfo) - trial.datetime_start
        if HOST not in trial.user_attrs and age.total_seconds() > max_seconds:
            study.tell(trial.number, state=TrialState.FAIL)
            retry_stale_trial(study, trial)


def _run_trial(runner: TrialRunner, seed_text: str) -> None:
    """Run one trial with its own sampler, seeded by the study's seed and ``seed_text``."""
    study = runner.study
    # The study's size may have changed since the last trial; the first third of the trials has random values.
    random_trials = max(read_size(study).trials // 3, MIN_RANDOM_TRIALS)
    study.sampler = TPESampler(n_startup_trials=random_trials, seed=crc32(f"{runner.spec.seed} {seed_text}".encode()))
    try:
        study.optimize(
            runner.run,
            n_trials=1,
            catch=(Exception,),
            gc_after_trial=True,
            callbacks=[lambda _, trial: _log_and_clean(runner, trial)],
        )
    except (UpdateFinishedTrialError, ValueError):  # Optuna raises either if another worker has ended the trial
        if not runner.has_ended(runner.started[-1]):
            raise
        _logger.warning("trial %d goes to another worker: this worker sent no heartbeat in time", runner.started[-1])
    _require_any_score(study)


def _log_and_clean(runner: TrialRunner, trial: FrozenTrial) -> None:
    """Log how a trial ended, and remove its checkpoints."""
    scores = [score for score in trial.intermediate_values.values() if isfinite(score)]
    score = trial.value if trial.state == TrialState.COMPLETE else max(scores, default=nan)
    summary = f"score {score:.4f} after {len(scores)} epochs, {format_values(trial.params)}"
    _logger.info("trial %d %s: %s", trial.number, trial.state.name.lower(), trial.user_attrs.get(REASON) or summary)
    remove_checkpoints(runner.runs.folder, trial)


def remove_checkpoints(folder: Path, trial: FrozenTrial) -> None:
    """Remove the checkpoints of an ended trial to save disk space."""
    if RUN in trial.user_attrs:
        for checkpoint in (folder / trial.user_attrs[RUN]).rglob("*.pt"):
            checkpoint.unlink()


def _require_any_score(study: optuna.Study) -> None:
    """End the search if several trials have failed and none has a score."""
    trials = [trial for trial in study.get_trials(deepcopy=False) if SURPLUS not in trial.user_attrs]
    failed = [trial for trial in trials if trial.state == TrialState.FAIL and REASON in trial.user_attrs]
    if len(failed) >= MAX_FAILURES_WITHOUT_SCORE and not any(trial.state in SCORED_STATES for trial in trials):
        reasons = "\n".join(
            f"  trial {trial.number}: {trial.user_attrs[REASON]}" for trial in failed[:MAX_FAILURES_WITHOUT_SCORE]
        )
        raise InputError(
            f"{len(failed)} trials of the study {study.study_name} failed, and none has a score:\n{reasons}"
        )
