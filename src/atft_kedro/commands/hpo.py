"""Work on a search for hyper-parameters, show it, stop it, and promote its winner."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import click
from kedro.framework.project import settings
from kedro.framework.startup import ProjectMetadata
from kedro.io import CatalogProtocol
from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.markup import escape
from rich.table import Table

from ..network.params import NetworkParams
from ..reporting.format import format_number
from ..search.plan import SearchParams
from ..search.space import format_values
from ..search.study_status import StudyStatus, format_best, format_counts, read_status
from ..training.params import TrainingParams
from .console import make_console
from .project import open_catalog, project_options

STYLES = {"complete": "green", "pruned": "yellow", "failed": "red", "running": "blue"}
STUDY = click.option("--study", help="Name of the study.  [default: hpo.study]")
MAX_TRIALS = 20  # rows of the table


@click.group()
def hpo() -> None:
    """Work on the studies that kedro run --pipelines hpo creates."""


def locate_study(catalog: CatalogProtocol, study: str | None) -> tuple[str, str]:
    """Return the URL of the studies and the name of one, by default ``hpo.study``."""
    from ..search.run_search import find_storage

    params = SearchParams.model_validate(catalog["params:hpo"].load())
    return find_storage(params, catalog["trial_folders"].load()), study or params.study


@hpo.command()
@STUDY
@project_options
def worker(metadata: ProjectMetadata, study: str | None, env: str | None, params: Any) -> None:
    """Run trials of an existing study until all have ended.

    Several workers can run at once, also on several machines with one database.
    """
    from ..graph.to_panel import graphs_to_panel
    from ..search.run_search import join_search
    from ..training.data import TrainingData

    with open_catalog(metadata, env, params) as catalog:
        url, name = locate_study(catalog, study)
        panel = catalog["panel"].load()
        data = TrainingData(panel, graphs_to_panel(catalog["graphs"].load(), panel), catalog["split"].load())
        trackers = catalog["trial_trackers"].load()
        status = join_search(name, data, url, catalog["trial_folders"].load(), trackers)
    make_console().print(render_status(status))


@hpo.command()
@STUDY
@project_options
def status(metadata: ProjectMetadata, study: str | None, env: str | None, params: Any) -> None:
    """Show the trials of a study, the best one, parameter importances and the time left."""
    from ..search.study import load_study

    with open_catalog(metadata, env, params) as catalog:
        current = read_status(load_study(*locate_study(catalog, study)))
    make_console().print(render_status(current))


@hpo.command()
@STUDY
@project_options
def stop(metadata: ProjectMetadata, study: str | None, env: str | None, params: Any) -> None:
    """Stop a study: every worker ends after its current epoch.

    Its trials resume when the study is continued.
    """
    from ..search.study import STOP, load_study

    with open_catalog(metadata, env, params) as catalog:
        url, name = locate_study(catalog, study)
        load_study(url, name).set_user_attr(STOP, True)
    console = make_console(highlight=False)
    console.print(f"The workers of the study {name} stop after their current epochs. To continue it:")
    console.print("  kedro run --pipelines hpo  # with its parameters")


@hpo.command()
@click.argument("environment")
@STUDY
@click.option("--trial", type=int, help="Number of the trial.  [default: the best]")
@click.option("--force", is_flag=True, help="Overwrite an existing promoted file.")
@project_options
def promote(
    metadata: ProjectMetadata, environment: str, study: str | None, trial: int | None, force: bool, **project: Any
) -> None:
    """Write the parameters of a trial into conf/ENVIRONMENT, for kedro run --env ENVIRONMENT."""
    from ..search import promotion
    from ..search.study import load_study, read_spec

    with open_catalog(metadata, **project) as catalog:
        promotion.require_environment_name(environment)
        opened = load_study(*locate_study(catalog, study))
        current = read_status(opened)
        selected = promotion.select_trial(current, trial)
        confirmation = catalog["confirmation"].load() if catalog["confirmation"].exists() else None
        configured = read_lower_layers(metadata.project_path)
        text = promotion.format_promotion(current, read_spec(opened), selected, configured, confirmation)
        path = promotion.save_promotion(metadata.project_path / "conf" / environment, text, force=force)
    console = make_console(highlight=False)
    console.print(promotion.format_confirmation(confirmation, selected))
    console.print(f"Trial {selected.number} of {current.study} is now in {path.relative_to(metadata.project_path)}.")
    console.print(f"  kedro run --env {environment}  # with your own prices: --env files,{environment}")


def read_lower_layers(project: Path) -> list[tuple[NetworkParams, TrainingParams]]:
    """Read the parameters of ``conf/base`` alone, and those with ``conf/local`` on top."""
    layers = []
    for local in ("", settings.CONFIG_LOADER_ARGS["default_run_env"]):
        arguments = {**settings.CONFIG_LOADER_ARGS, "default_run_env": local}
        blocks = settings.CONFIG_LOADER_CLASS(str(project / settings.CONF_SOURCE), **arguments)["parameters"]
        network, training = blocks["network"], blocks["training"]
        layers.append((NetworkParams.model_validate(network), TrainingParams.model_validate(training)))
    return layers


def render_status(current: StudyStatus) -> Group:
    """Render a study: a summary, and a table of its newest trials."""
    left = "-" if current.seconds_left is None else str(timedelta(seconds=round(current.seconds_left)))
    importance = format_values({path: f"{share:.2f}" for path, share in current.importances.items()})
    summary = Table(show_header=False, title=f"study {current.study}")
    summary.add_row("trials", f"{format_counts(current)}; {current.wanted_trials} wanted")
    summary.add_row("best", format_best(current))
    summary.add_row("time left", left)
    summary.add_row("importance", importance or "-")
    table = Table("trial", "state", "score", "epochs", "s", "parameters", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for trial in current.trials[-MAX_TRIALS:]:
        values = format_values(trial.params)
        table.add_row(
            str(trial.number),
            f"[{STYLES.get(trial.state, 'dim')}]{trial.state}[/]",
            format_number(trial.score),
            str(trial.epochs),
            format_number(trial.seconds, 0),
            f"{values}\n[red]{escape(trial.reason)}[/]" if trial.reason else values,
        )
    earlier = len(current.trials) - MAX_TRIALS
    return Group(summary, table, f"and {earlier} earlier trials" if earlier > 0 else "")
