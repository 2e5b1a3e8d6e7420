"""All checks of ``kedro atft doctor``, in order: the machine first, then the project."""

import tempfile
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from kedro.config import MissingConfigException
from kedro.framework.project import pipelines
from kedro.io import CatalogProtocol, DatasetError
from omegaconf.errors import OmegaConfBaseException
from polars.exceptions import PolarsError
from yaml import YAMLError

from ..advice import advise_command, advise_run
from ..checks import CheckResult
from ..export.model_folder import ExportedModels
from ..export.predict import PredictParams
from ..features.build import FeatureParams
from ..files import read_json
from ..guard.inspection import GuardParams
from ..panel.scaler import FeatureCatalogue
from ..panel.store import HEADER
from ..parameter_blocks import BLOCKS
from ..params import InputError, list_names
from ..schema import ColumnParams, map_columns
from ..stages.ledger import LEDGER, plan_stages
from ..training.runs import Runs
from .files import MAX_LISTED, check_data, check_days, check_disk, check_folders, check_panel, relative_path
from .packages import check_lock, check_packages, check_python
from .project import check_champion, check_git, check_runs
from .project_setup import DATASET_ENTRY, PRICES_ENTRY, ProjectSetup
from .tracking import check_tracking

REPORTED_ERRORS = (
    *(ValueError, LookupError, ImportError, OSError),
    *(YAMLError, PolarsError, OmegaConfBaseException, MissingConfigException, DatasetError),
)


def run_check(name: str, check: Callable[..., CheckResult], *arguments: Any) -> CheckResult:
    """Run one check; turn an error of the configuration, a file or a package into a result."""
    try:
        return check(*arguments)
    except REPORTED_ERRORS as error:
        return CheckResult.error(name, format_error(error), "correct the setting or file that the message names")


def format_error(error: Exception) -> str:
    """Return an error's message; only the first two lines of Kedro's dataset errors."""
    cause = error.__cause__ if isinstance(error.__cause__, InputError) else error
    return " ".join(str(cause).splitlines()[:2]) if isinstance(cause, DatasetError) else str(cause).strip()


def check_machine(project: Path) -> Iterator[CheckResult]:
    """Check Python, the packages, the git commit, the GPU, the memory and the processors."""
    from .machine import check_gpu, check_memory, check_processors

    package = tomllib.loads((project / "pyproject.toml").read_text())["project"]
    yield run_check("python", check_python, package["requires-python"])
    yield run_check("packages", check_packages, package["dependencies"])
    yield run_check("lock", check_lock, project / "constraints.txt", package["dependencies"])
    yield run_check("git", check_git, project)
    yield run_check("gpu", check_gpu)
    yield run_check("memory", check_memory)
    yield run_check("processors", check_processors)


def check_project(project: Path, env: str | None, params: dict[str, Any]) -> Iterator[CheckResult]:
    """Check the configuration, its folders and files, the runs and the stages."""
    try:
        setup = ProjectSetup.read(project, env, params)
    except REPORTED_ERRORS as error:
        yield CheckResult.error("configuration", format_error(error), "correct it: the later checks need it")
        return
    folders = setup.list_output_folders()
    yield run_check("disk", check_disk, [Path(tempfile.gettempdir()), *folders])
    yield run_check("folders", check_folders, folders)
    yield run_check("tracking", check_tracking, setup.tracking_uri)
    yield run_check("runs", lambda: check_runs(Runs(setup.paths["runs"], commit="", is_dirty=False)))
    parameters = run_check("parameters", _check_parameters, setup)
    yield parameters
    if parameters.severity == "ok":
        yield run_check("champion", _check_champion, setup)
    data = [run_check(name, _check_data, setup, name) for name in (PRICES_ENTRY, DATASET_ENTRY) if name in setup.paths]
    yield from data
    yield run_check("panel", _check_panel, setup)
    if parameters.severity == "ok":
        has_dataset = any(check.name == DATASET_ENTRY and check.severity == "ok" for check in data)
        yield from _check_with_catalog(setup, has_dataset)


def _check_data(setup: ProjectSetup, name: str) -> CheckResult:
    is_user_provided = name in setup.user_entries
    advice = advise_run("--pipelines data")
    if is_user_provided:
        advice = f"create it, or choose another: --params {name}=PATH"
    return check_data(name, setup.paths[name], is_user_provided, advice)


def _check_panel(setup: ProjectSetup) -> CheckResult:
    folder = setup.paths["panel"]
    if (folder / HEADER).exists():
        return check_panel(folder)
    message = f"{relative_path(folder)} has no panel"
    return CheckResult.warn("panel", message, advise_run("--pipelines prepare"))


def _check_parameters(setup: ProjectSetup) -> CheckResult:
    setup.loader.require_valid_parameters()
    return CheckResult.ok("parameters", f"all {len(BLOCKS)} blocks are valid")


def _check_champion(setup: ProjectSetup) -> CheckResult:
    models = ExportedModels(Runs(setup.paths["runs"], commit="", is_dirty=False))
    features = FeatureParams.model_validate(setup.parameters["features"])
    stored, is_own = setup.paths["feature_catalogue"], DATASET_ENTRY in setup.user_entries
    described = features.describe() if not is_own else read_json(stored) if stored.exists() else None
    catalogue = FeatureCatalogue.of(described) if described else None
    return check_champion(models, catalogue, features.entry_lag)


def _check_with_catalog(setup: ProjectSetup, has_dataset: bool) -> Iterator[CheckResult]:
    """Check the catalog's entries, the days of the dataset and the stages."""
    try:
        catalog = setup.context.catalog
    except REPORTED_ERRORS as error:
        yield CheckResult.error("catalog", format_error(error), "correct conf/*/catalog.yml")
        return
    entries = _check_entries(catalog, list(setup.catalog))
    yield entries
    if has_dataset:
        yield run_check("days", _check_days, setup, catalog)
    if entries.severity == "ok":
        yield run_check("stages", _check_stages, setup, catalog)


def _check_entries(catalog: CatalogProtocol, names: list[str]) -> CheckResult:
    """Create the dataset of every catalog entry."""
    errors = []
    for name in names:
        try:
            catalog.get(name)
        except REPORTED_ERRORS as error:
            errors.append(f"{name}: {format_error(error)}")
    if errors:
        advice = "correct these entries in conf/*/catalog.yml"
        return CheckResult.error("catalog", list_names(errors, MAX_LISTED, "; "), advice)
    return CheckResult.ok("catalog", f"{len(names)} entries")


def _check_days(setup: ProjectSetup, catalog: CatalogProtocol) -> CheckResult:
    predict = PredictParams.model_validate(setup.parameters["predict"])
    guard = GuardParams.model_validate(setup.parameters["guard"])
    columns = ColumnParams.model_validate(setup.parameters["columns"])
    # The entry "mapped_dataset" is not used: to compute it, Kedro would need all entries of the catalog to be valid.
    return check_days(map_columns(catalog[DATASET_ENTRY].load(), columns), guard.recency, predict.max_age_days)


def _check_stages(setup: ProjectSetup, catalog: CatalogProtocol) -> CheckResult:
    """Report how many stages are fresh, and the first stale ones with a reason."""
    if not catalog[LEDGER].exists():
        return CheckResult.ok("stages", "no stage has run yet")
    pipeline = pipelines["__default__"]
    planned = plan_stages(
        pipeline.from_inputs(DATASET_ENTRY) if DATASET_ENTRY in setup.user_entries else pipeline, catalog
    )
    stale = [f"{stage.node.name}: {stage.reasons[0]}" for stage in planned if stage.reasons]
    message = f"{len(planned) - len(stale)} of {len(planned)} are fresh"
    if stale:
        advice = f"{advise_run()}; all reasons: {advise_command('atft stages')}"
        return CheckResult.warn("stages", f"{message}; {list_names(stale, MAX_LISTED, '; ')}", advice)
    return CheckResult.ok("stages", message)
