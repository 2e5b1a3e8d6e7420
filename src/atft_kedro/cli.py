"""The project's commands: ``kedro run``, which skips unchanged stages, and ``kedro atft …``."""

import click

from .commands.bench import bench
from .commands.benchmarks import benchmarks
from .commands.diagnose import diagnose_run
from .commands.doctor import doctor
from .commands.hpo import hpo
from .commands.memory import memory
from .commands.mlflow import mlflow
from .commands.network import model, profile
from .commands.run import run, stages
from .commands.runs import monitor, status, stop
from .commands.scores import compare, evaluate, folds, metrics, oracle


@click.group(name="atft_kedro")
def cli() -> None:
    """Forecast daily returns."""


cli.add_command(run)


@cli.group()
def atft() -> None:
    """Inspect and manage data, runs and models."""


for command in (
    *(bench, doctor, status, monitor, stop, diagnose_run, model, oracle, memory, profile, stages),
    *(evaluate, metrics, compare, benchmarks, folds, hpo, mlflow),
):
    atft.add_command(command)
