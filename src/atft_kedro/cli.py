"""The project's commands: ``kedro run``, which skips unchanged stages, and ``kedro atft …``."""

import click

from .commands.bench import bench
from .commands.benchmarks import benchmarks
from .commands.champion import champion, promote, rollback
from .commands.compare import compare
from .commands.diagnose import diagnose_run
from .commands.doctor import doctor
from .commands.evaluate import evaluate
from .commands.folds import folds
from .commands.hpo import hpo
from .commands.memory import memory
from .commands.metrics import metrics
from .commands.mlflow import mlflow_group
from .commands.model import model
from .commands.monitor import monitor
from .commands.next import advise_next
from .commands.oracle import oracle
from .commands.plugins import check_plugins
from .commands.profile import profile
from .commands.prune import prune
from .commands.run import run
from .commands.stages import stages
from .commands.status import status
from .commands.stop import stop
from .commands.watch import watch


@click.group(name="atft_kedro")
def cli() -> None:
    """Forecast daily returns."""


cli.add_command(run)


@cli.group()
def atft() -> None:
    """Inspect and manage data, runs and models."""


for command in (
    *(bench, doctor, status, watch, stop, diagnose_run, model, oracle, memory, profile, stages, check_plugins),
    *(advise_next, champion, promote, rollback, prune, monitor),
    *(evaluate, metrics, compare, benchmarks, folds, hpo, mlflow_group),
):
    atft.add_command(command)
