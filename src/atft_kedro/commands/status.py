"""``kedro atft status``: show the workspace at a glance, and the state of a run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from kedro.io import CatalogProtocol
from rich.table import Table

from ..advice import OWN_DATASET, advise_command
from ..diagnosis.diagnosis import diagnose
from ..doctor.files import relative_path
from ..doctor.project import check_champion
from ..features.build import FeatureParams
from ..panel.scaler import FeatureCatalogue
from ..params import InputError
from ..training.run_status import RunStatus, read_status
from ..training.runs import LATEST
from .command_helpers import pass_catalog
from .console import make_console

STATE_STYLES = {"training": "green", "done": "blue", "stopped": "yellow", "dead": "red"}


@click.command()
@click.argument("run", required=False)
@pass_catalog
def status(catalog: CatalogProtocol, run: str | None) -> None:
    """Show the workspace and its latest training, or the progress of a RUN."""
    runs, console = catalog["runs"].load(), make_console()
    if run is None:
        console.print(render_workspace(describe_workspace(catalog)))
    if run is not None or runs.names():
        folder = runs.find(run or LATEST)
        console.print(render_status(read_status(folder), describe_health(folder)))


def describe_workspace(catalog: CatalogProtocol) -> dict[str, str]:
    """Describe the source, the newest day, the champion, the last forecast and the last alarm."""
    models = catalog["exported_models"].load()
    source = catalog["params:source"].load()
    features = FeatureParams.model_validate(catalog["params:features"].load())
    described = _load_if_stored(catalog, "feature_catalogue") if source == OWN_DATASET else features.describe()
    known = FeatureCatalogue.of(described) if described else None
    guard = _load_if_stored(catalog, "guard_verdict")
    forecast, report = (_load_if_stored(catalog, name) for name in ("predictions_summary", "monitor_report"))
    return {
        "source": f"{source} (folder {relative_path(models.runs.folder.parent.parent)})",
        "newest day": f"{guard['last']}, inspected on {guard['inspected']}" if guard else "–",
        "champion": check_champion(models, known, features.entry_lag).message,
        "challenger": models.record.challenger or "–",
        "last forecast": f"from {forecast['forecasts_from']}, run {forecast['run']}" if forecast else "–",
        "monitor": report.describe() if report else "–",
    }


def _load_if_stored(catalog: CatalogProtocol, name: str) -> Any:
    """Load a catalog entry; None if its file is missing."""
    return catalog[name].load() if catalog[name].exists() else None


def render_workspace(rows: Mapping[str, str]) -> Table:
    """Render the description of a workspace as a table."""
    table = Table(show_header=False, title="workspace")
    for name, value in rows.items():
        table.add_row(name, value)
    return table


def describe_health(folder: Path) -> str:
    """Return the headline of a run's diagnosis, or why the run cannot be diagnosed."""
    try:
        diagnosis = diagnose(folder)
    except InputError as error:
        return f"unknown: {error}"
    has_problems = diagnosis.severity in {"warn", "error"}
    return f"{diagnosis.headline}\n(details: {advise_command('atft diagnose')})" if has_problems else diagnosis.headline


def render_status(run_status: RunStatus, health: str) -> Table:
    """Render the state of a run as a table."""
    table = Table(show_header=False, title=f"run {run_status.run}")
    for name, value in run_status.rows().items():
        table.add_row(name, value, style=STATE_STYLES.get(run_status.state) if name == "state" else None)
    table.add_row("health", health)
    return table
