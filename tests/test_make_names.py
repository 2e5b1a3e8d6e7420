"""The names that the predecessor gave its trainings."""

import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("words", "command"),
    [
        ("train-quick EPOCHS=5 GRAPH_WINDOW=120", 'run --params "graph.window=120,training.epochs=5"'),
        ("train-quick", 'run --params "training.epochs=3"'),
        ("train-safe FP32=1 BATCH_SIZE=2048", 'run --env safe --params "training.samples_per_block=2048"'),
        ("train-optimized", "run --env production"),
        (
            "train-optimized DATASET=x.parquet",
            'run --env dataset,production --from-inputs ml_dataset --params "ml_dataset=x.parquet"',
        ),
        (
            "train-safe DATASET=x.parquet EPOCHS=2",
            'run --env dataset,safe --from-inputs ml_dataset --params "training.epochs=2,ml_dataset=x.parquet"',
        ),
        (
            "smoke DATASET=x.parquet",
            'run --env dataset,smoke --from-inputs ml_dataset --params "ml_dataset=x.parquet"',
        ),
        (
            "train-quick DATASET=x.parquet",
            'run --env dataset --from-inputs ml_dataset --params "training.epochs=3,ml_dataset=x.parquet"',
        ),
        ("train-integrated", "run"),
        ("train-integrated-safe", "run --env safe"),
        ("train-atft", "run --pipelines fit"),
        ("train-atft DATASET=x.parquet", 'run --env dataset --pipelines fit --params "ml_dataset=x.parquet"'),
        ("smoke EPOCHS=3", 'run --env smoke --params "training.epochs=3,training.steps_per_phase=null"'),
        ("dataset-gpu GRAPH_WINDOW=90", 'run --pipelines data,guard,prepare,graph --params "graph.window=90"'),
        ("smoke GRADIENT_ACCUMULATION_STEPS=2", 'run --env smoke --params "training.accumulate=2"'),
        ("hpo-setup", "run --pipelines data,guard,prepare,graph"),
        (
            "hpo-run HPO_TRIALS=24 HPO_STUDY=atft_prod",
            'run --pipelines hpo --params "hpo.study=atft_prod,hpo.n_trials=24"',
        ),
        ("hpo-resume HPO_STUDY=atft_prod", 'run --pipelines hpo --params "hpo.study=atft_prod"'),
        ("hpo-status HPO_STUDY=atft_prod", "atft hpo status --study atft_prod"),
        ("train-status", "atft status"),
        ("train-monitor", "atft watch"),
        ("train-stop", "atft stop"),
        ("mlflow-up", "atft mlflow up"),
        ("mlflow-up MLFLOW_PORT=5001 MLFLOW_STORE=sqlite:///other.db", "atft mlflow up --port 5001"),
        ("mlflow-down", "atft mlflow down"),
        ("project-health-check", "atft doctor"),
    ],
)
def test_the_old_names_are_kedro_commands(
    project: Path, words: str, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODE", "of_another_tool")
    printed = subprocess.run(
        ["make", "--no-print-directory", "--dry-run", "-o", ".venv/installed", *words.split()],
        cwd=project,
        capture_output=True,
        text=True,
        check=True,
    )

    assert " ".join(printed.stdout.split()) == f".venv/bin/kedro {command}"


def test_clean_removes_the_files_of_runs_in_every_workspace_and_nothing_else(project: Path) -> None:
    made = ["data/08_reporting/page.html", "data/files/05_model_input/a.parquet", "data/files/stages.json"]
    kept = ["data/files/01_raw/prices.csv", "data/other/05_model_input/own.parquet", "data/01_raw/own.csv"]
    for name in (*made, *kept):
        path = project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")

    subprocess.run(["make", "clean", "VENV=no_environment"], cwd=project, check=True, capture_output=True)

    assert [name for name in made if (project / name).exists()] == []
    assert [name for name in kept if not (project / name).exists()] == []
