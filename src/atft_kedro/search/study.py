"""An Optuna study: its storage, its specification and its queue of trials."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner, SuccessiveHalvingPruner
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState
from pydantic import ValidationError
from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from ..advice import advise_run
from ..dotted_paths import compare_trees
from ..files import Model
from ..network.params import NetworkParams
from ..params import InputError, Params, list_names
from ..services.database_url import hide_password
from ..training.checkpoint import FIELDS_NOT_IN_IDENTITY
from ..training.data import TrainingData
from ..training.params import TrainingParams
from .plan import SearchParams, SearchSize
from .space import Dimension, check_space

SPEC, SIZE, MLFLOW_RUN, STOP = "spec", "size", "mlflow_run", "stop"  # user attributes of a study
CRASHES, SURPLUS = "crashes", "surplus"  # of a trial: number of workers that died in it; that it is one too many
RETRY_HISTORY = "retry_history"  # system attribute of Optuna: the numbers of the trials that this one repeats
SCORED_STATES = (TrialState.COMPLETE, TrialState.PRUNED)
STALE_HEARTBEATS = 4  # a worker counts as dead after so many missed heartbeats
MAX_CRASHES = 3  # a trial in which more workers died is not repeated
UNPRUNED_TRIALS = 3  # the first trials are not pruned: there are too few scores to compare with
CONNECT_ARGUMENTS = {"postgresql": {"connect_timeout": 5}, "sqlite": {"timeout": 60}}  # seconds


class StudySpec(Params):
    """What all trials of a study have in common; every worker reads it from the study."""

    space: dict[str, Dimension]
    network: NetworkParams
    training: TrainingParams
    pruner: str
    prune_after: int
    seed: int
    heartbeat_seconds: int
    panel: str  # hash of the panel
    training_data: str  # hash of the graphs and the split

    def require_same(self, study: str, stored: "StudySpec") -> None:
        """Refuse to continue a study whose stored specification differs from this one."""
        ignored = {"training": set(FIELDS_NOT_IN_IDENTITY)}
        changes = compare_trees(*(spec.model_dump(mode="json", exclude=ignored) for spec in (stored, self)))
        if changes:
            listed = list_names([f"{path} was {old}, is {new}" for path, (old, new) in changes.items()], 5, "; ")
            raise InputError(
                f"The study {study} exists with other settings ({listed}): trials of both could not be compared. "
                "Name another study with hpo.study."
            )

    def require_data(self, study: str, data: TrainingData) -> None:
        """Refuse data that is not the data of the study."""
        hashes = {"panel": data.panel.identity, "training_data": data.digest}
        self.model_copy(update=hashes).require_same(study, self)


def make_spec(
    params: SearchParams, size: SearchSize, current_params: tuple[NetworkParams, TrainingParams], data: TrainingData
) -> StudySpec:
    """Build the specification of a study from the parameters and the data of a search."""
    network, training = current_params
    space = params.select_space(size.tiers)
    check_space(space)
    if training.samples_per_block and "training.days_per_block" in space:
        raise InputError(
            "This search varies training.days_per_block, which training.samples_per_block overrides: set the latter "
            "to null."
        )
    epochs = None if training.steps_per_phase else size.epochs
    return StudySpec(
        space=space,
        network=network,
        training=training.model_copy(update={"epochs": epochs, "seeds": 1, "resume": None, "keep_epochs": 0}),
        **params.model_dump(include={"pruner", "prune_after", "seed", "heartbeat_seconds"}),
        panel=data.panel.identity,
        training_data=data.digest,
    )


def open_storage(url: str, heartbeat: int | None = None) -> RDBStorage:
    """Connect to the database of studies; with a heartbeat, trials of dead workers are repeated.

    Every query opens and closes its connection: many readers do not exhaust the server's connections, and a restart of
    the server breaks no worker.
    """
    address = make_url(url)
    backend = address.get_backend_name()
    optuna.logging.set_verbosity(optuna.logging.ERROR)  # workers log their trials themselves
    logging.getLogger("alembic").setLevel(logging.WARNING)
    try:
        if backend == "sqlite" and address.database:
            Path(address.database).parent.mkdir(parents=True, exist_ok=True)
        with ignore_warnings():
            return RDBStorage(
                url,
                engine_kwargs={"connect_args": CONNECT_ARGUMENTS.get(backend, {}), "poolclass": NullPool},
                heartbeat_interval=heartbeat,
                grace_period=STALE_HEARTBEATS * heartbeat if heartbeat else None,
                heartbeat_stale_trial_callback=retry_stale_trial,
            )
    except ImportError:
        raise InputError(
            f"The studies in {hide_password(url)} cannot be reached: the database's driver is not installed. "
            "For PostgreSQL: pip install 'atft-kedro[postgres]'"
        ) from None
    except (SQLAlchemyError, OSError) as error:
        reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        raise InputError(f"The studies in {hide_password(url)} cannot be reached: {reason}") from None


def create_study(url: str, name: str, spec: StudySpec, size: SearchSize) -> optuna.Study:
    """Create a study, or continue the existing one if its specification is the same."""
    storage = open_storage(url, spec.heartbeat_seconds)
    with ignore_warnings():
        study = optuna.create_study(
            storage=storage, study_name=name, direction="maximize", pruner=make_pruner(spec), load_if_exists=True
        )
    if SPEC in study.user_attrs or study.trials:
        spec.require_same(name, read_spec(study))
    # The specification is written last: with it, the study is complete.
    for attribute, value in {SIZE: size.model_dump_json(), STOP: False, SPEC: spec.model_dump_json()}.items():
        study.set_user_attr(attribute, value)
    return study


def load_study(url: str, name: str, heartbeat: int | None = None) -> optuna.Study:
    """Load an existing study: to read it, or with a heartbeat to work on it."""
    storage = open_storage(url, heartbeat)
    names = optuna.get_all_study_names(storage)
    if name not in names:
        raise InputError(
            f"The study {name!r} does not exist; existing studies: {', '.join(sorted(names)) or 'none'}. Create one "
            f"with {advise_run('--pipelines hpo', {'hpo.study': name})}"
        )
    with ignore_warnings():
        study = optuna.load_study(storage=storage, study_name=name)
        study.pruner = make_pruner(read_spec(study))
    return study


def find_size(url: str, name: str) -> SearchSize | None:
    """Read the size of a study; None where the study does not exist."""
    storage = open_storage(url)
    if name not in optuna.get_all_study_names(storage):
        return None
    study = optuna.load_study(storage=storage, study_name=name)
    return read_size(study) if SIZE in study.user_attrs else None


def read_size(study: optuna.Study) -> SearchSize:
    """Read the size of a study; refuse a study of another program or version."""
    return _read_attribute(study, SIZE, SearchSize)


def read_spec(study: optuna.Study) -> StudySpec:
    """Read the specification of a study; refuse a study of another program or version."""
    return _read_attribute(study, SPEC, StudySpec)


def _read_attribute(study: optuna.Study, name: str, model: type[Model]) -> Model:
    if name not in study.user_attrs:
        raise InputError(f"The study {study.study_name} was not created by this project: it has no {name}.")
    try:
        return model.model_validate_json(study.user_attrs[name])
    except ValidationError as error:
        raise InputError(
            f"The study {study.study_name} was created by another version of this project and cannot be continued. "
            "Name another study with hpo.study."
        ) from error


def make_pruner(spec: StudySpec) -> BasePruner:
    """Build the pruner that ends trials with low scores early."""
    pruners: dict[str, BasePruner] = {
        "median": MedianPruner(n_startup_trials=UNPRUNED_TRIALS, n_warmup_steps=spec.prune_after),
        "halving": SuccessiveHalvingPruner(min_resource=spec.prune_after),
        "hyperband": HyperbandPruner(min_resource=spec.prune_after, max_resource=spec.training.epochs or "auto"),
        "none": NopPruner(),
    }
    return pruners[spec.pruner]


def list_first_attempts(trials: list[FrozenTrial]) -> list[FrozenTrial]:
    """Select the trials that neither repeat another trial nor are surplus."""
    return [trial for trial in trials if RETRY_HISTORY not in trial.system_attrs and SURPLUS not in trial.user_attrs]


def list_retried(trials: list[FrozenTrial]) -> set[int]:
    """List the numbers of the trials that other trials repeat."""
    return {number for trial in trials for number in trial.system_attrs.get(RETRY_HISTORY, [])}


def retry_stale_trial(study: optuna.Study, trial: FrozenTrial) -> None:
    """Queue again a trial whose worker died, up to `MAX_CRASHES` times."""
    crashes = trial.user_attrs.get(CRASHES, 0) + 1
    if crashes <= MAX_CRASHES:
        requeue_trial(study, trial, {CRASHES: crashes})


def requeue_trial(study: optuna.Study, trial: FrozenTrial, attributes: dict[str, Any]) -> None:
    """Queue a copy of an ended trial, with further user attributes, for the next worker."""
    history = [*trial.system_attrs.get(RETRY_HISTORY, []), trial.number]
    study.add_trial(
        optuna.trial.create_trial(
            state=TrialState.WAITING,
            params=trial.params,
            distributions=trial.distributions,
            user_attrs=trial.user_attrs | attributes,
            system_attrs=trial.system_attrs | {RETRY_HISTORY: history},
        )
    )


@contextmanager
def ignore_warnings() -> Iterator[None]:
    """Suppress Optuna's warnings about experimental features and about few trials."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
