"""Work on a search for hyper-parameters, look at it, stop it, and promote its winner."""

from dataclasses import dataclass
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
from ..search.space import say_chosen
from ..search.study_status import Standing, read_standing, say_best, say_counts
from ..training.params import TrainingParams
from ..training.runs import Runs
from .console import make_console
from .project import open_catalog, project_options

STYLES = {"complete": "green", "pruned": "yellow", "failed": "red", "running": "blue"}
STUDY = click.option("--study", help="The study's name.  [default: hpo.study]")
MOST = 20  # trials that are shown


@click.group()
def hpo() -> None:
    """Search for hyper-parameters: kedro run --pipelines hpo begins a study, these work on it."""


@dataclass(frozen=True)
class Searched:
    """What the commands need of the catalog."""

    name: str
    url: str
    runs: Runs


def find_study(catalog: CatalogProtocol, study: str | None) -> Searched:
    """Say which study is meant, and where it is."""
    from ..search.run_search import find_storage

    params = SearchParams.model_validate(catalog["params:hpo"].load())
    runs = catalog["trial_folders"].load()
    return Searched(study or params.study, find_storage(params, runs), runs)


@hpo.command()
@STUDY
@project_options
def worker(metadata: ProjectMetadata, study: str | None, env: str | None, params: Any) -> None:
    """Train trials of a study, beside its other workers, here or on other machines, until there are no more."""
    from ..graph.to_panel import graphs_to_panel
    from ..search.run_search import help_search
    from ..training.data import TrainingData

    with open_catalog(metadata, env, params) as catalog:
        searched = find_study(catalog, study)
        panel = catalog["panel"].load()
        training_data = TrainingData(panel, graphs_to_panel(catalog["graphs"].load(), panel), catalog["split"].load())
        trackers = catalog["trial_trackers"].load()
        standing = help_search(searched.name, training_data, searched.url, searched.runs, trackers)
    make_console().print(draw_standing(standing))


@hpo.command()
@STUDY
@project_options
def status(metadata: ProjectMetadata, study: str | None, env: str | None, params: Any) -> None:
    """Show a study's trials, the best, what mattered, and how long it will take."""
    from ..search.run_search import look_at

    with open_catalog(metadata, env, params) as catalog:
        searched = find_study(catalog, study)
        standing = read_standing(look_at(searched.name, searched.url))
    make_console().print(draw_standing(standing))


@hpo.command()
@STUDY
@project_options
def stop(metadata: ProjectMetadata, study: str | None, env: str | None, params: Any) -> None:
    """Stop a study: every worker ends after its epoch, and its trial goes on when the study does."""
    from ..search.run_search import look_at
    from ..search.study import STOP

    with open_catalog(metadata, env, params) as catalog:
        searched = find_study(catalog, study)
        look_at(searched.name, searched.url).set_user_attr(STOP, True)
    make_console().print(f"The study {searched.name} stops after the epochs that are trained now.")
    make_console().print("  kedro run --pipelines hpo  # with its parameters goes on with it", highlight=False)


@hpo.command()
@click.argument("environment")
@STUDY
@click.option("--trial", type=int, help="Its number.  [default: the best]")
@click.option("--force", is_flag=True, help="Overwrite what was promoted before.")
@project_options
def promote(  # noqa: PLR0913, PLR0917 — its options
    metadata: ProjectMetadata,
    environment: str,
    study: str | None,
    trial: int | None,
    force: bool,
    env: str | None,
    params: Any,
) -> None:
    """Write the winner of a study into conf/ENVIRONMENT, for kedro run --env ENVIRONMENT."""
    from ..search import promotion
    from ..search.run_search import look_at
    from ..search.study import read_spec

    with open_catalog(metadata, env, params) as catalog:
        promotion.require_name(environment)
        searched = find_study(catalog, study)
        opened = look_at(searched.name, searched.url)
        standing = read_standing(opened)
        chosen = promotion.choose_trial(standing, trial)
        confirmation = catalog["confirmation"].load() if catalog["confirmation"].exists() else None
        lower = read_lower_layers(metadata.project_path)
        text = promotion.write_promotion(standing, read_spec(opened), chosen, lower, confirmation)
        folder = metadata.project_path / "conf" / environment
        path = promotion.place_promotion(folder, text, force=force)
    console = make_console(highlight=False)
    console.print(promotion.say_confirmed(confirmation, chosen))
    console.print(f"Trial {chosen.number} of {standing.study} is now in {path.relative_to(metadata.project_path)}.")
    console.print(f"  kedro run --env {environment}  # with your own prices: --env files,{environment}")


def read_lower_layers(project: Path) -> list[tuple[NetworkParams, TrainingParams]]:
    """Read what ``conf/base`` alone configures, and what it does together with ``conf/local``."""
    read = []
    for local in ("", settings.CONFIG_LOADER_ARGS["default_run_env"]):
        arguments = {**settings.CONFIG_LOADER_ARGS, "default_run_env": local}
        blocks = settings.CONFIG_LOADER_CLASS(str(project / settings.CONF_SOURCE), **arguments)["parameters"]
        read.append(
            (NetworkParams.model_validate(blocks["network"]), TrainingParams.model_validate(blocks["training"]))
        )
    return read


def draw_standing(standing: Standing) -> Group:
    """Draw a study: what became of its trials, and each of them, the newest last."""
    left = "-" if standing.seconds_left is None else str(timedelta(seconds=round(standing.seconds_left)))
    mattered = say_chosen({path: f"{share:.2f}" for path, share in standing.importance.items()})
    about = Table(show_header=False, title=f"study {standing.study}")
    for what, told in {
        "trials": f"{say_counts(standing)}; {standing.wanted} wanted",
        "best": say_best(standing),
        "left": left,
        "importance": mattered or "-",
    }.items():
        about.add_row(what, told)
    table = Table("trial", "state", "score", "epochs", "s", "chosen", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for trial in standing.trials[-MOST:]:
        chosen = say_chosen(trial.chosen)
        table.add_row(
            str(trial.number),
            f"[{STYLES.get(trial.state, 'dim')}]{trial.state}[/]",
            format_number(trial.score),
            str(trial.epochs),
            format_number(trial.seconds, 0),
            f"{chosen}\n[red]{escape(trial.reason)}[/]" if trial.reason else chosen,
        )
    earlier = len(standing.trials) - MOST
    return Group(about, table, f"and {earlier} earlier" if earlier > 0 else "")
