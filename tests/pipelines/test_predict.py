"""Test live forecasts of an exported model."""

import json
from pathlib import Path

import polars as pl
import pytest

from atft_kedro.export.model import load_model
from atft_kedro.features.daily import CORE
from atft_kedro.market.simulated_drivers import MarketParams
from atft_kedro.market.simulation import simulate_market
from factories.params import make_params
from factories.project import SMALL, kedro

pytestmark = pytest.mark.slow


KEYS = ["date", "code", "horizon", "rank"]


def read_predictions(project: Path) -> pl.DataFrame:
    return pl.read_parquet(project / "data" / "07_model_output" / "predictions.parquet")


def find_model(project: Path) -> Path:
    (found,) = (project / "data" / "06_models" / "runs" / "latest").resolve().glob("gatfan_*")
    return found


def test_the_newest_day_is_forecast_as_by_python(ran_project: Path) -> None:
    output = kedro(ran_project, "run", "--pipeline", "predict", "--params", SMALL)

    dataset = pl.read_parquet(ran_project / "data" / "05_model_input" / "ml_dataset.parquet")
    forecasts = read_predictions(ran_project)
    written = pl.read_csv(ran_project / "data" / "07_model_output" / "predictions.csv", try_parse_dates=True)
    assert "stage predict.forecast_newest_days done" in output
    assert "5 of 7 stages are fresh" in output
    assert forecasts["date"].unique().to_list() == [dataset["date"].max()]
    assert forecasts["horizon"].unique().sort().to_list() == [1, 5, 10, 20]
    assert written.select(KEYS).equals(forecasts.select(KEYS).cast(dict.fromkeys(KEYS[2:], pl.Int64)))
    model = load_model(find_model(ran_project))
    assert model.forecast(dataset).equals(forecasts)
    prices = simulate_market(make_params(MarketParams, stocks=24, days=300)).prices  # of SMALL
    assert model.forecast_prices(prices).forecasts.equals(forecasts)
    summary = json.loads((ran_project / "data" / "07_model_output" / "predictions.json").read_text())
    assert summary["forecasts_from"] == str(dataset["date"].max())
    assert summary["stocks"] == forecasts["code"].n_unique()
    assert f"from the close of {dataset['date'].max()} (the newest day)" in output
    positions = pl.read_parquet(ran_project / "data" / "07_model_output" / "positions.parquet")
    planned = json.loads((ran_project / "data" / "07_model_output" / "positions.json").read_text())
    assert planned["positions_from"] == summary["forecasts_from"]
    assert planned["run"] == summary["run"]
    assert planned["stocks"] == len(positions)
    assert positions["weight"].abs().sum() == pytest.approx(planned["gross_exposure"])


def test_new_prices_are_forecast_without_training(ran_project: Path) -> None:
    seen = json.loads((ran_project / "data" / "05_model_input" / "split.json").read_text())["date_ranges"][-1]["last"]
    longer = SMALL.replace("days=300", "days=310")

    kedro(ran_project, "run", "--pipeline", "predict", "--params", f"{longer},predict.days=2")

    forecasts = read_predictions(ran_project)
    assert forecasts["date"].n_unique() == 2
    assert str(forecasts["date"].min()) > seen
    assert len(list((ran_project / "data" / "06_models" / "runs").glob("2*"))) == 1


def test_other_features_are_refused(ran_project: Path) -> None:
    params = f"{SMALL},features.set=alpha158"

    output = kedro(ran_project, "run", "--pipeline", "predict", "--params", params, fails=True)

    assert f"Error: The model needs the {len(CORE)} features of catalogue" in output
    assert "missing in the dataset: ['ret_1', 'ret_2', " in output


def test_a_dataset_without_targets_is_forecast(ran_project: Path) -> None:
    kedro(ran_project, "run", "--pipelines", "data", "--params", SMALL)
    dataset = pl.read_parquet(ran_project / "data" / "05_model_input" / "ml_dataset.parquet")
    path = ran_project / "without_targets.parquet"
    dataset.drop(pl.selectors.matches("^target_")).write_parquet(path)
    own = ("run", "--env", "dataset", "--pipelines", "predict", "--from-inputs", "ml_dataset", "--params")
    old = kedro(ran_project, *own, f"ml_dataset={path},workspace=simulated", fails=True)
    kedro(ran_project, *own, f"ml_dataset={path},workspace=simulated,predict.max_age_days=null")

    forecasts = read_predictions(ran_project)
    assert "increase predict.max_age_days (now 3; null allows any age)" in old
    assert forecasts["date"].unique().to_list() == [dataset["date"].max()]
    assert forecasts["deviation"].null_count() == len(forecasts)
