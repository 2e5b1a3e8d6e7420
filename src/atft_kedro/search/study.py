"""A study: what is searched, where its trials are written down, and that all who work on it mean the same."""

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
from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

from ..dotted import diff
from ..network.params import NetworkParams
from ..params import InputError, Params
from ..services.database_url import hide_password
from ..training.checkpoint import FIELDS_NOT_IN_IDENTITY
from ..training.params import TrainingParams
from .plan import SearchParams, Size
from .space import Dimension, require_possible

SPEC, SIZE, MLFLOW_RUN, STOP = "spec", "size", "mlflow_run", "stop"  # what a study is told of itself
RETRY = "retry_history"  # Optuna's word for the trials that one tries again
DEATHS, SURPLUS = "deaths", "surplus"  # what a trial is told: how many workers died of it, that it is not wanted
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
SILENT = 4  # heartbeats after which a trial's worker counts as dead
RETRIES = 3  # of a trial whose worker died; whoever dies of one each time must not go on for ever
STARTUP = 3  # trials that are never pruned, for there is nothing to compare with
CONNECTING = {"postgresql": {"connect_timeout": 5}, "sqlite": {"timeout": 60}}  # seconds


class Spec(Params):
    """What all trials of a study have in common; every worker reads it from the study."""

    space: dict[str, Dimension]
    network: NetworkParams
    training: TrainingParams
    pruner: str
    prune_after: int
    seed: int
    heartbeat_seconds: int
    panel: str
    training_data: str  # graphs and split

    def require_same(self, study: str, found: "Spec") -> None:
        """Refuse to go on with a study of something else."""
        watching = {"training": set(FIELDS_NOT_IN_IDENTITY)}
        changes = diff(*(spec.model_dump(mode="json", exclude=watching) for spec in (found, self)))
        if changes:
            listed = [f"{path} was {old}, is {new}" for path, (old, new) in changes.items()]
            more = f" and {len(listed) - 5} more" if len(listed) > 5 else ""
            told = "; ".join(listed[:5])
            raise InputError(
                f"The study {study} exists and searches something else ({told}{more}); its trials could not be "
                "compared. Name another one with hpo.study."
            )

    def require_material(self, study: str, panel: str, training_data: str) -> None:
        """Refuse to work on a study with other data."""
        self.model_copy(update={"panel": panel, "material": training_data}).require_same(study, self)


def make_spec(
    params: SearchParams, size: Size, configured: tuple[NetworkParams, TrainingParams], panel: str, training_data: str
) -> Spec:
    """Say what the trials of a search have in common."""
    network, training = configured
    space = params.choose_space(size.tiers)
    require_possible(space)
    if training.samples_per_block and "training.days_per_block" in space:
        raise InputError(
            "This search chooses training.days_per_block, whose place training.samples_per_block takes: set it to null."
        )
    epochs = None if training.steps_per_phase else size.epochs
    plain = {"epochs": epochs, "seeds": 1, "resume": None, "keep_epochs": 0}
    return Spec(
        space=space,
        network=network,
        training=training.model_copy(update=plain),
        pruner=params.pruner,
        prune_after=params.prune_after,
        seed=params.seed,
        heartbeat_seconds=params.heartbeat_seconds,
        panel=panel,
        training_data=training_data,
    )


def connect(url: str, heartbeat: int | None = None) -> RDBStorage:
    """Open the database that holds studies; with a heartbeat, to find trials whose worker died and try them again."""
    address = make_url(url)
    arguments = CONNECTING.get(address.get_backend_name(), {})
    optuna.logging.set_verbosity(optuna.logging.ERROR)  # a worker tells of its trials itself
    logging.getLogger("alembic").setLevel(logging.WARNING)
    try:
        if address.get_backend_name() == "sqlite" and address.database:
            Path(address.database).parent.mkdir(parents=True, exist_ok=True)
        with quiet():
            return RDBStorage(
                url,
                engine_kwargs={"connect_args": arguments, "pool_pre_ping": True},
                heartbeat_interval=heartbeat,
                grace_period=SILENT * heartbeat if heartbeat else None,
                heartbeat_stale_trial_callback=bury,
            )
    except ImportError:
        raise InputError(
            f"The studies in {hide_password(url)} cannot be reached: the database's driver is not installed. "
            "For PostgreSQL: pip install 'atft-kedro[postgres]'"
        ) from None
    except (SQLAlchemyError, OSError) as error:
        reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        raise InputError(f"The studies in {hide_password(url)} cannot be reached: {reason}") from None


def begin_study(url: str, name: str, spec: Spec, size: Size) -> optuna.Study:
    """Create a study, or go on with the one of that name if it searches the same."""
    storage = connect(url, spec.heartbeat_seconds)
    with quiet():
        study = optuna.create_study(
            storage=storage, study_name=name, direction="maximize", pruner=make_pruner(spec), load_if_exists=True
        )
    if SPEC in study.user_attrs:
        spec.require_same(name, read_spec(study))
    elif study.trials:
        raise _not_ours(name)
    for attribute, value in {SIZE: size.model_dump_json(), STOP: False, SPEC: spec.model_dump_json()}.items():
        study.set_user_attr(attribute, value)  # the last says that the beginning is whole
    return study


def _not_ours(name: str) -> InputError:
    return InputError(f"The study {name} was not begun by this project: it does not say what it searches.")


def join_study(url: str, name: str) -> optuna.Study:
    """Open a study to work on it, with the heartbeat that all its workers have."""
    spec = read_spec(open_study(connect(url), name))
    return open_study(connect(url, spec.heartbeat_seconds), name)


def open_study(storage: RDBStorage, name: str) -> optuna.Study:
    """Open a study that was begun."""
    names = optuna.get_all_study_names(storage)
    if name not in names:
        raise InputError(
            f"There is no study {name!r}; there are {', '.join(sorted(names)) or 'none'}. Begin one with "
            f"kedro run --pipelines hpo --params hpo.study={name}"
        )
    with quiet():
        study = optuna.load_study(storage=storage, study_name=name)
        if SPEC not in study.user_attrs:
            raise _not_ours(name)
        study.pruner = make_pruner(read_spec(study))
    return study


def find_size(url: str, name: str) -> Size | None:
    """Find out how large a study was last asked to be; None where there is none of that name."""
    storage = connect(url)
    if name not in optuna.get_all_study_names(storage):
        return None
    study = optuna.load_study(storage=storage, study_name=name)
    return read_size(study) if SIZE in study.user_attrs else None


def read_size(study: optuna.Study) -> Size:
    """Read how large a study is to be."""
    return Size.model_validate_json(study.user_attrs[SIZE])


def read_spec(study: optuna.Study) -> Spec:
    """Read what a study searches."""
    return Spec.model_validate_json(study.user_attrs[SPEC])


def make_pruner(spec: Spec) -> BasePruner:
    """Make what ends a trial that is not worth its time."""
    made: dict[str, BasePruner] = {
        "median": MedianPruner(n_startup_trials=STARTUP, n_warmup_steps=spec.prune_after),
        "halving": SuccessiveHalvingPruner(min_resource=spec.prune_after),
        "hyperband": HyperbandPruner(min_resource=spec.prune_after, max_resource=spec.training.epochs or "auto"),
        "none": NopPruner(),
    }
    return made[spec.pruner]


def find_originals(trials: list[FrozenTrial]) -> list[FrozenTrial]:
    """Leave out the trials that only try others again, or were one too many."""
    return [trial for trial in trials if RETRY not in trial.system_attrs and SURPLUS not in trial.user_attrs]


def find_retried(trials: list[FrozenTrial]) -> set[int]:
    """List the numbers of trials that others have tried again, or will."""
    return {number for trial in trials for number in trial.system_attrs.get(RETRY, [])}


def bury(study: optuna.Study, trial: FrozenTrial) -> None:
    """Try a trial again whose worker has died, unless too many have died of it."""
    deaths = trial.user_attrs.get(DEATHS, 0) + 1
    if deaths <= RETRIES:
        queue_again(study, trial, {DEATHS: deaths})


def queue_again(study: optuna.Study, trial: FrozenTrial, told: dict[str, Any]) -> None:
    """Let the next worker try a trial that has ended."""
    history = [*trial.system_attrs.get(RETRY, []), trial.number]
    study.add_trial(
        optuna.trial.create_trial(
            state=TrialState.WAITING,
            params=trial.params,
            distributions=trial.distributions,
            user_attrs=trial.user_attrs | told,
            system_attrs=trial.system_attrs | {RETRY: history},
        )
    )


@contextmanager
def quiet() -> Iterator[None]:
    """Let Optuna not warn of what is experimental, or of few trials."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
