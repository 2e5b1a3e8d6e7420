"""A search from its parameters to a study whose trials have ended."""

from dataclasses import replace

import optuna

from ..network.params import NetworkParams
from ..params import InputError
from ..training.data import TrainingData
from ..training.distributed import is_launched
from ..training.hardware import choose_device
from ..training.params import TrainingParams
from ..training.runs import Runs
from .plan import SearchParams
from .study import MLFLOW_RUN, begin_study, connect, find_size, join_study, make_spec, open_study, read_spec
from .study_status import Standing, read_standing
from .trial import Bench, Trackers
from .worker import work

STUDIES = "studies.db"


def find_storage(params: SearchParams, runs: Runs) -> str:
    """Say where studies are kept: in a file beside their trials, unless the parameters name a database."""
    return params.storage or f"sqlite:///{runs.folder / STUDIES}"


def search(
    training_data: TrainingData,
    network: NetworkParams,
    training: TrainingParams,
    params: SearchParams,
    runs: Runs,
    trackers: Trackers,
) -> Standing:
    """Begin a study, or go on with it, and work on it until it has ended."""
    if training.resume is not None:
        raise InputError("training.resume is for one run; a search goes on with its trials by itself. Leave it out.")
    if is_launched():
        raise InputError("A search is not for torchrun: start a worker on each machine, kedro atft hpo worker.")
    training.selection.weigh_horizons(network.horizons or training_data.panel.metadata.horizons)
    url = find_storage(params, runs)
    size = params.choose_size(find_size(url, params.study))
    spec = make_spec(params, size, (network, training), training_data.panel.identity, training_data.digest)
    study = begin_study(url, params.study, spec, size)
    if MLFLOW_RUN not in study.user_attrs and (parent := trackers.current()) is not None:
        study.set_user_attr(MLFLOW_RUN, parent)
    _work_on(study, training_data, runs, trackers)
    return read_standing(study)


def help_search(name: str, training_data: TrainingData, url: str, runs: Runs, trackers: Trackers) -> Standing:
    """Work on a study that was begun, beside whoever else does."""
    study = join_study(url, name)
    read_spec(study).require_material(name, training_data.panel.identity, training_data.digest)
    _work_on(study, training_data, runs, trackers)
    return read_standing(study)


def _work_on(study: optuna.Study, training_data: TrainingData, runs: Runs, trackers: Trackers) -> None:
    spec = read_spec(study)
    there = training_data.to(choose_device(spec.training.device))
    work(Bench(study, spec, there, replace(runs, folder=runs.folder / study.study_name), trackers))


def look_at(name: str, url: str) -> optuna.Study:
    """Open a study to read it."""
    return open_study(connect(url), name)
