"""Copies of the project, its commands and its notebooks."""

import atexit
import os
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Sequence
from multiprocessing import get_context
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
KEDRO = Path(sys.executable).with_name("kedro")
FORKS = get_context("forkserver")
IMPORTED = (
    *(
        "atft_kedro.cli",
        "atft_kedro.pipeline_registry",
        "atft_kedro.settings",
        "torch._dynamo",
        "lightgbm",
        "scipy.stats",
    ),
    *("mlflow.store.tracking.sqlalchemy_store", "mlflow.models", "kedro_viz", "plotly.io", "git", "cvxpy"),
    "IPython.terminal.embed",  # imported by MLflow when a run starts
)
FORKS.set_forkserver_preload(list(IMPORTED))
SMALL = "market.stocks=24,market.days=300,training.epochs=1,baselines.lightgbm.rounds=10"


def copy_project(folder: Path) -> Path:
    """Copy the project without data, so that no stage has run."""
    ignore = shutil.ignore_patterns(".git", ".venv", "*.parquet", "*.db", "mlartifacts", ".mlflow", ".viz", ".*_cache")
    shutil.copytree(ROOT, folder, ignore=ignore)
    shutil.rmtree(folder / "data")
    for settings in (folder / "conf" / "local").glob("*.yml"):  # of the developer
        settings.unlink()
    return folder


def start_kedro(project: Path, *words: str, log: str = os.devnull) -> ForkServerProcess:
    """Start a command in a new process, with its output in a file.

    The process is forked from one that has imported all packages, because imports take most of a command's time. The
    code is that of this checkout; to run changed code of the copy, start ``KEDRO``.
    """
    process = FORKS.Process(target=run_kedro, args=(words, str(project), environment(project), log))
    process.start()
    return process


def kedro(project: Path, *words: str, fails: bool = False) -> str:
    """Run a command as `start_kedro` does, and return its output with single spaces."""
    with tempfile.NamedTemporaryFile("r") as log:
        process = start_kedro(project, *words, log=log.name)
        process.join(300)
        has_ended = process.exitcode is not None
        process.kill()
        process.join()
        output = log.read()
    assert has_ended, output
    assert (process.exitcode != 0) == fails, output
    return " ".join(output.split())


def run_kedro(words: Sequence[str], folder: str, variables: dict[str, str], log: str) -> None:
    """Run the command in this process with its output in a file, and run the exit functions."""
    from kedro.framework.cli.cli import main

    with Path(log).open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.chdir(folder)
    os.environ.update(variables)  # noqa: TID251
    sys.argv = ["kedro", *words]
    try:
        main()
    finally:
        atexit._run_exitfuncs()


def environment(project: Path) -> dict[str, str]:
    """Return environment variables: the project's code and programs come first, lines are long."""
    code = {"PYTHONPATH": str(project / "src"), "COLUMNS": "400", "DO_NOT_TRACK": "1", "OMP_NUM_THREADS": "1"}
    programs = {"PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}  # noqa: TID251
    return {**os.environ, **code, **programs}  # noqa: TID251


def run_statuses(project: Path) -> list[str]:
    """List the statuses of the tracked runs, the oldest first; none without a store."""
    if not (project / "mlflow.db").exists():
        return []
    with sqlite3.connect(project / "mlflow.db") as store:
        return [row[0] for row in store.execute("select status from runs order by start_time")]


def execute_notebook(path: Path) -> list[Any]:
    """Run a notebook in its folder, and return the outputs of its cells."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(path.parent)}}).execute()
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
