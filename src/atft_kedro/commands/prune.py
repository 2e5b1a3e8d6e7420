"""``kedro atft prune``: remove old runs."""

import shutil
from contextlib import suppress

import click
from kedro.io import CatalogProtocol

from ..export.champion import lock_record
from ..export.model_folder import ExportedModels
from ..live.journal import RUN
from ..params import InputError
from ..training.run_status import read_training
from ..training.runs import LATEST, Runs
from .command_helpers import pass_catalog
from .console import make_console


@click.command()
@click.option(
    "--keep", default=10, show_default=True, type=click.IntRange(min=0), help="Number of newest runs to keep."
)
@click.option("--yes", is_flag=True, help="Remove the runs; without it they are only listed.")
@pass_catalog
def prune(catalog: CatalogProtocol, keep: int, yes: bool) -> None:
    """Remove old runs. Champions, the challenger and runs in the journal always stay."""
    models, console = catalog["exported_models"].load(), make_console()
    journal = catalog["journal"].load()
    journalled = {*journal[RUN].unique()} if len(journal) else set()
    with lock_record(models.path):  # no old run becomes champion meanwhile
        old = list_old_runs(models, journalled, keep)
        for name in old:
            size = sum(file.stat().st_size for file in (models.runs.folder / name).rglob("*") if file.is_file())
            if yes:
                remove_run(models.runs, name)
            console.print(f"{'removed' if yes else 'would remove'} {name} ({size / 1e6:.1f} MB)", highlight=False)
    if old and not yes:
        console.print("Nothing is removed without --yes.")
    elif not old:
        console.print(f"There is nothing to remove: {len(models.runs.names())} runs are kept.", highlight=False)


def list_old_runs(models: ExportedModels, journalled: set[str], keep: int) -> list[str]:
    """List the runs that nothing needs, without the newest ``keep`` and those in training.

    Needed are the runs of the champion's record, the journal and ``latest``, and the runs from which these began.
    """
    names, record = list(models.runs.names()), models.record
    latest = (models.runs.folder / LATEST).resolve().name
    needed = {record.champion, record.challenger, latest, *(change.run for change in record.history), *journalled}
    needed |= {*names[len(names) - min(keep, len(names)) :]}
    for name in reversed(names):  # a run began from an older one
        if name in needed:
            with suppress(InputError):  # a run of another version stays itself
                training = read_training(models.runs.folder / name)
                needed |= {training.refit_of, training.init_from}
    return [name for name in names if name not in needed and models.runs.is_free(name)]


def remove_run(runs: Runs, name: str) -> None:
    """Remove a run's folder; it first gets a hidden name, so that no half-removed run is listed.

    Folders that a killed process has left with such a name are removed too.
    """
    (runs.folder / name).rename(runs.folder / f".{name}.removed")
    for hidden in runs.folder.glob(".*.removed"):
        shutil.rmtree(hidden)
