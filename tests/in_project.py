"""The project as a person uses it: a copy of its own, and its commands."""

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).parent.parent
KEDRO = Path(sys.executable).with_name("kedro")
SMALL = "market.stocks=24,market.days=300,training.epochs=1,baselines.lightgbm.rounds=10"


def copy_project(folder: Path) -> Path:
    """Copy the project, with nothing run yet."""
    kept = shutil.ignore_patterns(".git", ".venv", "*.parquet", "*.db", "mlartifacts", ".viz", ".*_cache")
    shutil.copytree(ROOT, folder, ignore=kept)
    shutil.rmtree(folder / "data")
    return folder


def kedro(project: Path, *words: str, fails: bool = False) -> str:
    done = subprocess.run(
        [KEDRO, *words],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
        env=environment(project),
        timeout=300,
    )
    said = done.stdout + done.stderr
    assert (done.returncode != 0) == fails, said
    return " ".join(said.split())


def environment(project: Path) -> dict[str, str]:
    """The test's own process environment, with the project's code in front and a terminal wide enough to read."""
    code = {"PYTHONPATH": str(project / "src"), "COLUMNS": "400", "DO_NOT_TRACK": "1", "OMP_NUM_THREADS": "1"}
    return {**os.environ, **code}  # noqa: TID251


def run_statuses(project: Path) -> list[str]:
    """List the statuses of the tracked runs, oldest first; none before the first run has made the store."""
    if not (project / "mlflow.db").exists():
        return []
    with sqlite3.connect(project / "mlflow.db") as store:
        return [row[0] for row in store.execute("select status from runs order by start_time")]


def execute_notebook(path: Path) -> list[Any]:
    """Run a notebook where it lies, and give what its cells put out."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(path.parent)}}).execute()
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
