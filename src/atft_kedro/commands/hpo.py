"""``kedro atft hpo``: run a worker of a study, show or stop it, save a trial's parameters."""

from datetime import timedelta
from pathlib import Path

import click
from kedro.framework.project import settings
from kedro.io import CatalogProtocol
from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.markup import escape
from rich.table import Table

from ..advice import advise_run
from ..network.params import NetworkParams
from ..reporting.format import format_number
from ..search.plan import SearchParams
from ..search.space import format_values
from ..search.study_status import StudyStatus, format_best, format_counts, read_status
from ..training.params import TrainingParams
from .command_helpers import load_dataset, pass_catalog
from .console import make_console

STYLES = {
    **{"complete": "green", "pruned": "yellow", "failed": "red", "running": "blue"},
    **dict.fromkeys(("retried", "surplus", "waiting"), "dim"),
}
study_option = click.option("--study", help="Name of the study.  [default: hpo.study]")
MAX_SHOWN_TRIALS = 20  # the table shows only the newest trials


@click.group()
def hpo() -> None:
    """Work on a hyperparameter study, show or stop it, and save a trial's parameters."""


def get_study_url_and_name(catalog: CatalogProtocol, study: str | None) -> tuple[str, str]:
    """Return the URL of the studies' database, and the study's name (default: ``hpo.study``)."""
    from ..search.run_search import find_storage

    params = SearchParams.model_validate(catalog["params:hpo"].load())
    return find_storage(params, catalog["trial_folders"].load()), study or params.study


@hpo.command()
@study_option
@pass_catalog
def worker(catalog: CatalogProtocol, study: str | None) -> None:
    """Run trials of an existing study until the study has its number of trials.

    Several workers can run at once, also on several machines with one database.
    """
    from ..search.run_search import join_search

    url, name = get_study_url_and_name(catalog, study)
    training_data, trackers = load_dataset(catalog, "training_data"), catalog["trial_trackers"].load()
    joined = join_search(name, training_data, url, catalog["trial_folders"].load(), trackers)
    make_console().print(render_study(joined))


@hpo.command()
@study_option
@pass_catalog
def status(catalog: CatalogProtocol, study: str | None) -> None:
    """Show the trials of a study, the best one, parameter importances and the time left."""
    from ..search.study import load_study

    make_console().print(render_study(read_status(load_study(*get_study_url_and_name(catalog, study)))))


@hpo.command()
@study_option
@pass_catalog
def stop(catalog: CatalogProtocol, study: str | None) -> None:
    """Stop a study: every worker ends after its current epoch.

    Running trials continue when you start the study again.
    """
    from ..search.study import STOP, load_study

    url, name = get_study_url_and_name(catalog, study)
    load_study(url, name).set_user_attr(STOP, True)
    console = make_console(highlight=False)
    console.print(f"The workers of the study {name} stop after their current epochs. To continue it:")
    command = advise_run("--pipelines hpo")
    console.print(f"  {command}  # with the same hpo parameters", markup=False, soft_wrap=True)


@hpo.command()
@click.argument("environment")
@study_option
@click.option("--trial", type=int, help="Number of the trial.  [default: the best]")
@click.option("--force", is_flag=True, help="Overwrite the file of an earlier promote.")
@pass_catalog
def promote(catalog: CatalogProtocol, environment: str, study: str | None, trial: int | None, force: bool) -> None:
    """Write the parameters of a trial into conf/ENVIRONMENT, for kedro run --env ENVIRONMENT."""
    from ..search import promotion
    from ..search.study import load_study, read_spec

    promotion.require_environment_name(environment)
    loaded = load_study(*get_study_url_and_name(catalog, study))
    study_status = read_status(loaded)
    selected = promotion.select_trial(study_status, trial)
    # The confirmation is the training of the best trial with other seeds; it is ignored if the selected trial has
    # other parameters.
    confirmation = catalog["confirmation"].load() if catalog["confirmation"].exists() else None
    project = click.get_current_context().obj.project_path
    lower_params = read_base_and_local_params(project)
    text = promotion.format_promotion(study_status, read_spec(loaded), selected, lower_params, confirmation)
    path = promotion.save_promotion(project / settings.CONF_SOURCE / environment, text, force=force)
    console = make_console(highlight=False)
    console.print(promotion.format_confirmation(confirmation, selected))
    console.print(f"Trial {selected.number} of {study_status.study} is now in {path.relative_to(project)}.")
    console.print(f"  {advise_run(mode=environment)}", markup=False, soft_wrap=True)


def read_base_and_local_params(project: Path) -> list[tuple[NetworkParams, TrainingParams]]:
    """Read the parameters of ``conf/base``, and of ``conf/base`` overridden by ``conf/local``."""
    lower_params = []
    for environment in ("", settings.CONFIG_LOADER_ARGS["default_run_env"]):  # "": conf/base alone
        arguments = {**settings.CONFIG_LOADER_ARGS, "default_run_env": environment}
        parameters = settings.CONFIG_LOADER_CLASS(str(project / settings.CONF_SOURCE), **arguments)["parameters"]
        network, training = parameters["network"], parameters["training"]
        lower_params.append((NetworkParams.model_validate(network), TrainingParams.model_validate(training)))
    return lower_params


def render_study(study_status: StudyStatus) -> Group:
    """Render a study: a summary, and a table of its newest trials."""
    time_left = "-" if study_status.seconds_left is None else str(timedelta(seconds=round(study_status.seconds_left)))
    importances = format_values({path: f"{share:.2f}" for path, share in study_status.importances.items()})
    summary = Table(show_header=False, title=f"study {study_status.study}")
    summary.add_row("trials", f"{format_counts(study_status)}; target: {study_status.wanted_trials} trials")
    summary.add_row("best", format_best(study_status))
    summary.add_row("time left", time_left)
    summary.add_row("parameter importances (sum 1)", importances or "-")
    table = Table("trial", "state", "score", "epochs", "seconds", "parameters", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for trial in study_status.trials[-MAX_SHOWN_TRIALS:]:
        values = format_values(trial.params)
        table.add_row(
            str(trial.number),
            f"[{STYLES[trial.state]}]{trial.state}[/]",
            format_number(trial.score),
            str(trial.epochs),
            format_number(trial.seconds, 0),
            f"{values}\n[red]{escape(trial.reason)}[/]" if trial.reason else values,
        )
    earlier = len(study_status.trials) - MAX_SHOWN_TRIALS
    return Group(summary, table, f"{earlier} earlier trials are not shown" if earlier > 0 else "")
