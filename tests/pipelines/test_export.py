"""A model handed on, live forecasts and MLflow's registry, as a person runs them."""

import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from atft_kedro.export.model import load_model
from factories.project import SMALL, environment, kedro

pytestmark = pytest.mark.slow
KEYS = ["date", "code", "horizon", "rank"]
MLFLOW = Path(sys.executable).with_name("mlflow")


def predictions(project: Path) -> pl.DataFrame:
    return pl.read_parquet(project / "data" / "07_model_output" / "predictions.parquet")


def model_of(project: Path) -> Path:
    (found,) = (project / "data" / "06_models" / "runs" / "latest").resolve().glob("gatfan_*")
    return found


def test_a_run_hands_its_model_on_with_an_entry_in_the_changelog(ran_project: Path) -> None:
    folder, models = model_of(ran_project), ran_project / "data" / "06_models"
    score = json.loads((folder.parent / "metrics.json").read_text())["split"]["test"]["h1"]
    exported = json.loads((folder.parent / "exported_model.json").read_text())
    changelog = (models / "runs" / "changelog.md").read_text()

    book = score["long_short"]["net_sharpe"]
    assert folder.name == f"gatfan_{folder.parent.name[:8]}_Sharpe{book:.2f}"
    assert exported == {"run": folder.parent.name, "folder": folder.name, "score": book}
    assert f"| {folder.parent.name} |" in changelog
    assert f"| {score['ic']['mean']:.4f} | {score['rank_ic']['mean']:.4f} | {book:.2f} | {folder.name} |" in changelog


def test_a_card_tells_what_was_trained_on_whatever_the_parameters_are_now(ran_project: Path) -> None:
    before = (model_of(ran_project) / "model.json").read_text()
    others = f"{SMALL},graph.neighbours=3,universe.min_history=100"
    kedro(ran_project, "run", "--no-cache", "--pipelines", "export", "--params", others)

    card = json.loads((model_of(ran_project) / "model.json").read_text())
    assert card["inputs"] == json.loads(before)["inputs"]
    assert card["inputs"]["graph"]["neighbours"] == 10


@pytest.mark.long
def test_mlflow_runs_the_registered_model(ran_project: Path, tmp_path: Path) -> None:
    record = json.loads((model_of(ran_project).parent / "registered_model.json").read_text())
    model = load_model(model_of(ran_project))
    dataset = pl.read_parquet(ran_project / "data" / "05_model_input" / "ml_dataset.parquet")
    dataset.select(model.card.inputs.columns).write_csv(tmp_path / "observations.csv")

    done = subprocess.run(
        [MLFLOW, "models", "predict", "-m", record["uri"], "-t", "csv", "--env-manager", "local"]
        + ["-i", tmp_path / "observations.csv", "-o", tmp_path / "said.json"],
        cwd=tmp_path,
        env=environment(ran_project) | {"MLFLOW_TRACKING_URI": f"sqlite:///{ran_project}/mlflow.db"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    said = pl.DataFrame(json.loads((tmp_path / "said.json").read_text())["predictions"])
    wanted = model.forecast(dataset)
    assert record["uri"] == f"models:/atft_gat_fan/{record['version']}"
    wanted = wanted.with_columns(pl.col("date").cast(pl.String))
    assert said.select(KEYS).equals(wanted.select(KEYS).cast(dict.fromkeys(KEYS[2:], pl.Int64)))
    assert said["forecast"].to_list() == pytest.approx(wanted["forecast"].to_list(), abs=1e-5)
    assert "deviation" not in said.columns


def test_the_newest_day_is_forecast_and_by_python_alike(ran_project: Path) -> None:
    said = kedro(ran_project, "run", "--pipeline", "predict", "--params", SMALL)

    dataset = pl.read_parquet(ran_project / "data" / "05_model_input" / "ml_dataset.parquet")
    forecasts = predictions(ran_project)
    written = pl.read_csv(ran_project / "data" / "07_model_output" / "predictions.csv", try_parse_dates=True)
    assert "stage predict.forecast_newest done" in said
    assert "5 of 6 stages are fresh" in said
    assert forecasts["date"].unique().to_list() == [dataset["date"].max()]
    assert forecasts["horizon"].unique().sort().to_list() == [1, 5, 10, 20]
    assert written.select(KEYS).equals(forecasts.select(KEYS).cast(dict.fromkeys(KEYS[2:], pl.Int64)))
    assert load_model(model_of(ran_project)).forecast(dataset).equals(forecasts)
    summary = json.loads((ran_project / "data" / "07_model_output" / "predictions.json").read_text())
    assert summary["forecasts_from"] == str(dataset["date"].max())
    assert summary["stocks"] == forecasts["code"].n_unique()
    assert f"stocks from the close of {dataset['date'].max()}" in said


def test_new_prices_are_forecast_without_training(ran_project: Path) -> None:
    seen = json.loads((ran_project / "data" / "05_model_input" / "split.json").read_text())["date_ranges"][-1]["last"]
    longer = SMALL.replace("days=300", "days=310")

    kedro(ran_project, "run", "--pipeline", "predict", "--params", f"{longer},predict.days=2")

    forecasts = predictions(ran_project)
    assert forecasts["date"].n_unique() == 2
    assert str(forecasts["date"].min()) > seen
    assert len(list((ran_project / "data" / "06_models" / "runs").glob("2*"))) == 1


def test_a_run_without_a_checkpoint_hands_nothing_on(ran_project: Path) -> None:
    checkpoint = model_of(ran_project).parent / "best.pt"
    checkpoint.rename(checkpoint.with_name("moved.pt"))
    try:
        said = kedro(ran_project, "run", "--no-cache", "--pipelines", "export", "--params", SMALL, fails=True)
    finally:
        checkpoint.with_name("moved.pt").rename(checkpoint)

    assert f"Error: There is no checkpoint at {checkpoint}" in said


def test_other_features_are_refused(ran_project: Path) -> None:
    params = f"{SMALL},features.set=alpha158"

    said = kedro(ran_project, "run", "--pipeline", "predict", "--params", params, fails=True)

    assert "Error: The model needs the 59 features of catalogue" in said
    assert "it lacks ['ret_1', 'ret_2', " in said


def test_a_dataset_without_targets_is_forecast(ran_project: Path) -> None:
    kedro(ran_project, "run", "--pipelines", "data", "--params", SMALL)
    dataset = pl.read_parquet(ran_project / "data" / "05_model_input" / "ml_dataset.parquet")
    mine = ran_project / "untold.parquet"
    dataset.drop(pl.selectors.matches("^target_")).write_parquet(mine)
    own = ("run", "--env", "dataset", "--pipelines", "predict", "--from-inputs", "ml_dataset", "--params")
    old = kedro(ran_project, *own, f"ml_dataset={mine}", fails=True)
    kedro(ran_project, *own, f"ml_dataset={mine},predict.max_age_days=null")

    forecasts = predictions(ran_project)
    assert "raise predict.max_age_days (3; null: any age)" in old
    assert forecasts["date"].unique().to_list() == [dataset["date"].max()]
    assert forecasts["deviation"].null_count() == len(forecasts)
