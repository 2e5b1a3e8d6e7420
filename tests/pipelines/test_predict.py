"""Test live forecasts of an exported model."""

import json
import logging
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from atft_kedro.export.model import load_model
from atft_kedro.export.model_folder import ExportedModels
from atft_kedro.features.daily import CORE
from atft_kedro.market.delistings import NO_DELISTINGS
from atft_kedro.market.simulated_drivers import MarketParams
from atft_kedro.market.simulation import simulate_market
from atft_kedro.pipelines.predict.nodes import plan_positions
from atft_kedro.positions import live, simulate
from atft_kedro.positions.expected_returns import Calibration, Calibrations
from atft_kedro.positions.plan import PositionParams
from atft_kedro.training.params import TrainingParams
from atft_kedro.training.runs import Runs
from factories.params import make_params
from factories.project import SMALL, kedro

KEYS = ["date", "code", "horizon", "rank"]


def read_predictions(project: Path) -> pl.DataFrame:
    return pl.read_parquet(project / "data" / "07_model_output" / "predictions.parquet")


def find_model(project: Path) -> Path:
    (found,) = (project / "data" / "06_models" / "runs" / "latest").resolve().glob("gatfan_*")
    return found


@pytest.mark.slow
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


@pytest.mark.slow
def test_new_prices_are_forecast_without_training(ran_project: Path) -> None:
    seen = json.loads((ran_project / "data" / "05_model_input" / "split.json").read_text())["date_ranges"][-1]["last"]
    longer = SMALL.replace("days=300", "days=310")

    kedro(ran_project, "run", "--pipeline", "predict", "--params", f"{longer},predict.days=2")

    forecasts = read_predictions(ran_project)
    assert forecasts["date"].n_unique() == 2
    assert str(forecasts["date"].min()) > seen
    assert len(list((ran_project / "data" / "06_models" / "runs").glob("2*"))) == 1


@pytest.mark.slow
def test_other_features_are_refused(ran_project: Path) -> None:
    params = f"{SMALL},features.set=alpha158"

    output = kedro(ran_project, "run", "--pipeline", "predict", "--params", params, fails=True)

    assert f"Error: The model needs the {len(CORE)} features of catalogue" in output
    assert "missing in the dataset: ['ret_1', 'ret_2', " in output


@pytest.mark.slow
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


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"enabled": False}, "positions.enabled is false"),
        ({"optimiser": "not_installed"}, "not_installed is not installed"),
        ({"is_tested": False}, "run 20260101-a has no tested positions"),
        ({"entry": "next_open"}, "were tested with positions.entry=close, and now it is next_open"),
        ({"volume": None}, "The impact of trades needs traded values"),
        ({"planned": 1}, "The positions planned before are of "),
    ],
)
def test_without_new_positions_the_earlier_ones_are_kept(
    changes: dict[str, Any],
    reason: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    run, prices = "20260101-a", simulate_market(make_params(MarketParams, stocks=12, days=60, seed=1)).prices
    day, code = prices["date"].max(), prices.filter(pl.col("date") == pl.col("date").max())["code"][0]
    planned = pl.DataFrame({"date": [day], "code": [code], "held_weight": [0.1], "weight": [0.2], "trade": [0.1]})
    previous = pl.concat([pl.DataFrame(schema=live.SCHEMA), planned], how="diagonal").with_columns(
        pl.col("date").dt.offset_by(f"{changes.get('planned', -1)}d")
    )
    (tmp_path / run).mkdir()
    training = make_params(TrainingParams).model_dump(mode="json")
    (tmp_path / run / "manifest.json").write_text(json.dumps({"training": training}))
    if changes.get("is_tested", True):
        calibration = Calibration(entry="close", slopes={1: (0.1,)}, t={1: (2.0,)}, days=20)
        (tmp_path / run / live.CALIBRATIONS).write_text(Calibrations(folds=(calibration,)).model_dump_json())
    monkeypatch.setattr(simulate, "OPTIMISER", changes.get("optimiser", simulate.OPTIMISER))
    if "volume" in changes:
        prices = prices.with_columns(volume=pl.lit(changes["volume"], pl.Float64))
    forecasts = prices.filter(pl.col("date") == day).select("date", "code", forecast=pl.int_range(pl.len()).cast(float))
    own = {name: changes[name] for name in ("enabled", "entry") if name in changes}
    params = make_params(PositionParams, **{"enabled": True, "entry": "close", "risk": {"window": 40}, **own})

    with caplog.at_level(logging.WARNING):
        table, text, summary = plan_positions(
            forecasts.lazy().with_columns(horizon=pl.lit(1, pl.Int16)),
            {"run": run},
            prices.lazy(),
            ExportedModels(Runs(tmp_path, commit="", is_dirty=False)),
            previous.lazy(),
            NO_DELISTINGS,
            params,
        )

    assert table.equals(previous)
    assert table.write_csv() == text
    assert summary.keys() == {"run", "reason"}
    assert reason in summary["reason"]
    assert f"No new positions; the earlier ones are kept: {summary['reason']}" in caplog.text
