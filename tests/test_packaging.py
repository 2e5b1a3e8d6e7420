"""The project without its checkout: as a wheel with its configuration elsewhere, and in a container."""

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

from factories.project import KEDRO, ROOT, SMALL, copy_project, environment, run_statuses

CONTAINERFILE = (ROOT / "Containerfile").read_text()
MARK = "<!-- from the wheel -->"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel of a marked copy, and lay it out in `src`, which `environment` puts in front of everything."""
    folder = tmp_path_factory.mktemp("package")
    source = copy_project(folder / "source")
    for listed in (source / "src").glob("*.egg-info"):  # of an installation; its list would be packaged, whole or not
        shutil.rmtree(listed)
    page = source / "src" / "atft_kedro" / "reporting" / "guard_page.html"
    page.write_text(page.read_text() + MARK)
    building = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder]
    subprocess.run(building, cwd=source, check=True, capture_output=True)
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        wheel.extractall(folder / "src")
    return folder


def execute(installed: Path, folder: Path, *words: str | Path) -> str:
    done = subprocess.run(
        words, cwd=folder, env=environment(installed), capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return " ".join((done.stdout + done.stderr).split())


@pytest.mark.long
def test_the_wheel_runs_with_its_configuration_elsewhere(installed: Path, tmp_path: Path) -> None:
    shutil.copytree(installed / "source" / "conf", tmp_path / "settings")
    work, home = tmp_path / "work", tmp_path / "home"
    work.mkdir()
    python = [sys.executable, "-m", "atft_kedro", f"--conf-source={tmp_path / 'settings'}"]

    execute(installed, work, *python, "--params", SMALL)
    again = execute(installed, work, *python, "--params", SMALL)

    assert MARK in (work / "data/08_reporting/guard_report.html").read_text()
    assert (work / "data/06_models/runs/latest/report.html").exists()
    assert {path.name for path in work.iterdir()} == {"data", "mlflow.db", "mlartifacts"}
    assert run_statuses(work) == ["FINISHED", "FINISHED"]
    assert "stages are fresh and are not run again" in again

    (home / "src").mkdir(parents=True)
    shutil.copy(ROOT / "pyproject.toml", home)
    shutil.copytree(tmp_path / "settings", home / "conf")
    assert "done (pid" in execute(installed, home, KEDRO, "atft", "status", "--params", f"data_root={work / 'data'}")


def test_dockerignore_allows_exactly_the_files_that_the_container_copies() -> None:
    lines = re.findall(r"^COPY (?!--from)(?:--\S+ )?(.+) \S+$", CONTAINERFILE, flags=re.MULTILINE)
    copied = {source for line in lines for source in line.split()}
    rules = (ROOT / ".dockerignore").read_text().splitlines()

    assert {rule.removeprefix("!") for rule in rules if rule.startswith("!")} == copied
    assert rules[1] == "*"
    assert "conf/local" in rules[rules.index("!conf") :]
    assert all((ROOT / source).exists() for source in copied)


def test_the_container_keeps_tracked_runs_with_its_data(tmp_path: Path) -> None:
    (script,) = re.findall(r"sed --in-place '(.+)' conf/base/mlflow\.yml", CONTAINERFILE)

    edited = subprocess.check_output(["sed", script, ROOT / "conf/base/mlflow.yml"], text=True)

    config = yaml.safe_load(edited)
    assert config["server"]["mlflow_tracking_uri"] == "sqlite:///${project_path:}/data/mlflow.db"
    assert config["tracking"]["experiment"]["create_experiment_kwargs"]["artifact_location"] == "data/mlartifacts"
