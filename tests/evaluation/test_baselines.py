"""Test the forecasts of all baselines."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from atft_kedro.evaluation.baselines import BaselineParams, forecast_baselines
from atft_kedro.evaluation.boosting import BoostingParams
from atft_kedro.evaluation.ridge import RidgeParams
from atft_kedro.graph.neighbours import GraphParams
from atft_kedro.graph.panel_indices import index_graphs
from atft_kedro.params import InputError
from atft_kedro.pipelines.evaluate import nodes
from atft_kedro.schema import target_columns
from atft_kedro.training.data import TrainingData
from atft_kedro.training.params import TrainingParams
from atft_kedro.training.runs import Runs
from factories.datasets import make_graphs, make_panel
from factories.params import make_params
from factories.plugins import plugin_package


def make_ridge(penalties: tuple[float, ...]) -> RidgeParams:
    return make_params(RidgeParams, penalties=penalties)


SMALL = make_params(BoostingParams, rounds=20, min_leaf_rows=20)


def test_every_baseline_forecasts_the_networks_keys(
    keys: pl.DataFrame, training_data: TrainingData, ml_dataset: pl.DataFrame
) -> None:
    table = forecast_baselines(
        keys, ml_dataset.lazy(), training_data, "gaussian_rank", make_params(BaselineParams, lightgbm=SMALL)
    )

    wanted = keys.filter(pl.col("split") != "train")
    assert table["forecaster"].unique(maintain_order=True).to_list() == [
        "zero", "reversal", "momentum", "ridge", "lightgbm",
    ]  # fmt: skip
    assert not table.select("forecaster", "date", "code", "horizon").is_duplicated().any()
    for name in ("zero", "ridge", "lightgbm"):
        assert len(table.filter(forecaster=name)) == len(wanted)
    assert table["forecast"].is_finite().all()


def test_rules_use_closes_up_to_the_forecast_day(
    keys: pl.DataFrame, training_data: TrainingData, ml_dataset: pl.DataFrame
) -> None:
    params = make_params(BaselineParams, names=("reversal", "momentum"), momentum_days=40, momentum_skip=10)
    table = forecast_baselines(keys, ml_dataset.lazy(), training_data, "gaussian_rank", params)
    code = table["code"][0]
    closes = ml_dataset.filter(code=code).sort("date")
    day = table.filter(code=code)["date"].max()
    place = closes["date"].index_of(day)
    close = closes["close"].to_numpy().astype(np.float64)

    own = {row["forecaster"]: row["forecast"] for row in table.filter(code=code, date=day, horizon=1).to_dicts()}
    assert place is not None
    assert own["reversal"] == pytest.approx(1 - close[place] / close[place - 5], rel=1e-5)
    assert own["momentum"] == pytest.approx(close[place - 10] / close[place - 40] - 1, rel=1e-5)


def test_without_closes_rules_are_omitted_with_a_warning(
    keys: pl.DataFrame, training_data: TrainingData, ml_dataset: pl.DataFrame, caplog: pytest.LogCaptureFixture
) -> None:
    params = make_params(BaselineParams, names=("zero", "reversal"))
    table = forecast_baselines(keys, ml_dataset.drop("close").lazy(), training_data, "gaussian_rank", params)

    assert table["forecaster"].unique().to_list() == ["zero"]
    assert "Baseline reversal is omitted: the ML dataset has no column" in caplog.text


def test_learned_baselines_do_not_see_the_test_days(
    keys: pl.DataFrame, training_data: TrainingData, ml_dataset: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory
) -> None:
    params = make_params(BaselineParams, names=("ridge", "lightgbm"), lightgbm=SMALL)
    first = training_data.split.ranges_of("test")[0].first
    later = pl.col("date") >= first
    turned = [
        pl.when(later).then(-pl.col(name)).otherwise(name).alias(name) for name in target_columns(ml_dataset.schema)
    ]
    shocked = ml_dataset.with_columns(turned)
    other = TrainingData(
        make_panel(shocked, tmp_path_factory.mktemp("shocked")), training_data.graphs, training_data.split
    )

    one, two = (
        forecast_baselines(keys, ml_dataset.lazy(), item, "gaussian_rank", params).sort("forecaster", "date", "code")
        for item in (training_data, other)
    )
    assert one.equals(two)


def test_baselines_are_learned_in_the_units_of_the_labels_that_the_run_was_trained_on(
    keys: pl.DataFrame, training_data: TrainingData, ml_dataset: pl.DataFrame, tmp_path: Path
) -> None:
    training = make_params(TrainingParams, labels={"transform": "zscore"})
    runs = Runs(tmp_path, commit="", is_dirty=False)
    folder = runs.create({"training": training.model_dump(mode="json")})
    graphs = index_graphs(make_graphs(ml_dataset, make_params(GraphParams, neighbours=4)).lazy(), training_data.panel)
    params = make_params(BaselineParams, names=("ridge",), ridge=make_ridge((0.1,)))
    scored = nodes.forecast_baselines(
        keys.lazy(),
        ml_dataset.lazy(),
        pl.LazyFrame(),
        replace(training_data, graphs=graphs),
        folder,
        params,
    )

    own, other = (
        forecast_baselines(keys, ml_dataset.lazy(), training_data, u, params) for u in ("zscore", "gaussian_rank")
    )
    assert_frame_equal(scored, own)
    assert not scored.equals(other)


def test_a_plugin_forecasts_under_its_objects_name(
    keys: pl.DataFrame, training_data: TrainingData, ml_dataset: pl.DataFrame
) -> None:
    names = ("zero", "own_plugins.baselines:overnight")
    with plugin_package(names[1]):
        params = make_params(BaselineParams, names=names)
        table = forecast_baselines(keys, ml_dataset.lazy(), training_data, "gaussian_rank", params)

    assert table["forecaster"].unique(maintain_order=True).to_list() == ["zero", "overnight"]
    assert table.filter(forecaster="overnight").height == table.filter(forecaster="zero").height
    row = table.filter(forecaster="overnight", horizon=1).row(-1, named=True)
    stock = ml_dataset.filter(code=row["code"]).sort("date").with_columns(before=pl.col("close").shift(1))
    today = stock.filter(date=row["date"]).row(0, named=True)
    assert row["forecast"] == pytest.approx(1 - today["open"] / today["before"], rel=1e-5)


def test_a_plugin_without_forecasts_is_refused(
    keys: pl.DataFrame, training_data: TrainingData, ml_dataset: pl.DataFrame
) -> None:
    name = "own_plugins.wrong:no_table"
    with plugin_package(name), pytest.raises(InputError, match="wrong:no_table must return a table with the columns"):
        params = make_params(BaselineParams, names=(name,))
        forecast_baselines(keys, ml_dataset.lazy(), training_data, "gaussian_rank", params)
