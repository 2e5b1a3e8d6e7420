"""Look the setup over: what Kedro's configuration and catalog say of it, and what is found."""

import json
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from kedro.config import MissingConfigException
from kedro.framework.project import pipelines
from kedro.framework.startup import ProjectMetadata
from kedro.io import CatalogProtocol, DatasetError
from omegaconf.errors import OmegaConfBaseException
from polars.exceptions import PolarsError
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text
from yaml import YAMLError

from ..configuration import BLOCKS
from ..doctor.configured import DATASET, PRICES, Configured
from ..doctor.files import check_data, check_days, check_disk, check_folders, check_panel
from ..doctor.packages import Check, check_lock, check_packages, check_python, find_worst, list_some, show
from ..doctor.project import check_git, check_runs, check_tracking
from ..export.predict import PredictParams
from ..guard.inspection import GuardParams
from ..panel.store import HEADER
from ..params import InputError
from ..schema import ColumnParams, map_columns
from ..stages.ledger import LEDGER, plan_stages
from ..training.runs import Runs
from .console import make_console
from .project import of_project

FAULTS = (
    *(ValueError, LookupError, ImportError, OSError, YAMLError, PolarsError),
    *(OmegaConfBaseException, MissingConfigException, DatasetError),
)
STYLES = {"ok": "green", "warn": "yellow", "error": "bold red"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON alone.")
@of_project
def doctor(metadata: ProjectMetadata, as_json: bool, env: str | None, params: dict[str, Any]) -> None:
    """Look for what would go wrong: versions, machine, data, folders, trainings, tracking.

    Exits with 1 where something is an error.
    """
    with redirect_stdout(sys.stderr):  # what libraries have to say is no part of the answer
        checks = [*look_at_machine(metadata.project_path), *look_at_project(metadata.project_path, env, params)]
    worst = find_worst(checks)
    if as_json:
        click.echo(json.dumps({"state": worst, "checks": [asdict(check) for check in checks]}, indent=2))
    else:
        make_console().print(draw_checks(checks))
    sys.exit(1 if worst == "error" else 0)


def draw_checks(checks: list[Check]) -> Table:
    """Draw a row for each check, and count them."""
    counts = {state: sum(check.state == state for check in checks) for state in STYLES}
    caption = f"{counts['ok']} ok, warnings: {counts['warn']}, errors: {counts['error']}"
    table = Table("state", "check", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), caption=caption)
    for name in ("found", "what to do"):
        table.add_column(name, overflow="fold")
    for check in checks:
        table.add_row(Text(check.state, STYLES[check.state]), *map(Text, (check.name, check.found, check.advice)))
    return table


def attempt(name: str, look: Callable[..., Check], *given: Any) -> Check:
    """Look at something; what breaks on the way is what is found."""
    try:
        return look(*given)
    except FAULTS as error:
        return Check(name, "error", say_fault(error), "mend what is named here")


def say_fault(error: Exception) -> str:
    """Write what went wrong: in our own words where we have said it, of what Kedro says the first two lines."""
    told = error.__cause__ if isinstance(error.__cause__, InputError) else error
    return " ".join(str(told).splitlines()[:2]) if isinstance(told, DatasetError) else str(told).strip()


def look_at_machine(project: Path) -> Iterator[Check]:
    """Look at what the project runs on."""
    from ..doctor.machine import check_gpu, check_memory, check_processors

    asked = tomllib.loads((project / "pyproject.toml").read_text())["project"]
    yield attempt("python", check_python, asked["requires-python"])
    yield attempt("packages", check_packages, asked["dependencies"])
    yield attempt("lock", check_lock, project / "constraints.txt", asked["dependencies"])
    yield attempt("git", check_git, project)
    yield attempt("gpu", check_gpu)
    yield attempt("memory", check_memory)
    yield attempt("processors", check_processors)


def look_at_project(project: Path, env: str | None, params: dict[str, Any]) -> Iterator[Check]:
    """Look at what the configuration says, and at what is there of it."""
    try:
        setup = Configured.read(project, env, params)
    except FAULTS as error:
        yield Check("configuration", "error", say_fault(error), "mend it: nothing else can be looked at without")
        return
    folders = setup.list_written()
    yield attempt("disk", check_disk, [Path(tempfile.gettempdir()), *folders])
    yield attempt("folders", check_folders, folders)
    yield attempt("tracking", check_tracking, setup.tracking)
    yield attempt("runs", lambda: check_runs(Runs(setup.places["runs"], commit="", is_dirty=False)))
    parameters = attempt("parameters", check_parameters, setup)
    yield parameters
    data = [attempt(name, find_data, setup, name) for name in (PRICES, DATASET) if name in setup.places]
    yield from data
    yield attempt("panel", find_panel, setup)
    if parameters.state == "ok":
        yield from look_at_catalog(setup, has_dataset=any(each.name == DATASET and each.state == "ok" for each in data))


def find_data(setup: Configured, name: str) -> Check:
    """Look for what all begins with; the user's own is not made by any run."""
    is_own = name in setup.own
    advice = f"put it there, or name another: --params {name}=PATH" if is_own else f"{setup.run} --pipelines data"
    return check_data(name, setup.places[name], is_own, advice)


def find_panel(setup: Configured) -> Check:
    """Look at the panel where there is one."""
    folder = setup.places["panel"]
    if (folder / HEADER).exists():
        return check_panel(folder)
    return Check("panel", "warn", f"{show(folder)} holds none", f"{setup.run} --pipelines prepare")


def check_parameters(setup: Configured) -> Check:
    """Hold every parameter against its model."""
    setup.loader.require_valid_parameters()
    return Check("parameters", "ok", f"{len(BLOCKS)} blocks as their models have them")


def look_at_catalog(setup: Configured, has_dataset: bool) -> Iterator[Check]:
    """Look at what only a whole catalog can tell."""
    try:
        catalog = setup.context.catalog
    except FAULTS as error:
        yield Check("catalog", "error", say_fault(error), "mend conf/*/catalog.yml")
        return
    entries = check_catalog(catalog, [*setup.catalog])
    yield entries
    if has_dataset:
        yield attempt("days", find_days, setup, catalog)
    if entries.state == "ok":
        yield attempt("stages", check_stages, setup, catalog)


def check_catalog(catalog: CatalogProtocol, names: list[str]) -> Check:
    """Make every entry's dataset."""
    wrong = []
    for name in names:
        try:
            catalog.get(name)
        except FAULTS as error:
            wrong.append(f"{name}: {say_fault(error)}")
    if wrong:
        return Check("catalog", "error", list_some(wrong), "mend these entries in conf/*/catalog.yml")
    return Check("catalog", "ok", f"{len(names)} entries")


def find_days(setup: Configured, catalog: CatalogProtocol) -> Check:
    """Look into the ML dataset; its age counts where live forecasts want it young."""
    columns = ColumnParams.model_validate(setup.parameters["columns"])
    predict = PredictParams.model_validate(setup.parameters["predict"])
    guard = GuardParams.model_validate(setup.parameters["guard"])
    table = map_columns(catalog[DATASET].load(), columns)
    return check_days(table, guard.recency, predict.max_age_days)


def check_stages(setup: Configured, catalog: CatalogProtocol) -> Check:
    """Ask the cache's memory what a run would do."""
    if not catalog[LEDGER].exists():
        return Check("stages", "ok", "nothing has been run yet")
    whole = pipelines["__default__"]
    planned = plan_stages(whole.from_inputs(DATASET) if DATASET in setup.own else whole, catalog)
    stale = [f"{stage.node.name}: {stage.why[0]}" for stage in planned if stage.why]
    found = f"{len(planned) - len(stale)} of {len(planned)} are fresh"
    if stale:
        return Check("stages", "warn", f"{found}; {list_some(stale, 1)}", f"{setup.run}; all: kedro atft stages")
    return Check("stages", "ok", found)
