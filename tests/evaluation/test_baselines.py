"""Baselines against what they must be: SciPy's ridge, closes, a market of nothing but a feature."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from polars.testing import assert_frame_equal

from atft_kedro.evaluation.baselines import BaselineParams, forecast_baselines
from atft_kedro.evaluation.boosting import BoostingParams, fit_boosting
from atft_kedro.evaluation.observations import Observations, read_observations
from atft_kedro.evaluation.oracle import forecast_with_oracle
from atft_kedro.evaluation.ridge import RidgeParams, fit_ridge
from atft_kedro.graph.neighbours import GraphParams
from atft_kedro.graph.to_panel import graphs_to_panel
from atft_kedro.panel.blocks import no_graphs
from atft_kedro.panel.split import SplitParams, split_days
from atft_kedro.pipelines.evaluate import nodes
from atft_kedro.schema import target_columns
from atft_kedro.training.data import TrainingData
from atft_kedro.training.params import TrainingParams
from atft_kedro.training.runs import Runs, TrainedRun
from factories.datasets import make_graphs, make_panel
from factories.params import make_params


def make_ridge(penalties: tuple[float, ...]) -> RidgeParams:
    return make_params(RidgeParams, penalties=penalties)


SMALL = make_params(BoostingParams, rounds=20, fewest_in_leaf=20)


@pytest.fixture(scope="module")
def training_data(ml_dataset: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> TrainingData:
    panel = make_panel(ml_dataset, tmp_path_factory.mktemp("panel"))
    split = split_days(panel.days, make_params(SplitParams, train=0.6, validation=0.2, embargo_days=0), 20)
    return TrainingData(panel, no_graphs(panel), split)


@pytest.fixture(scope="module")
def asked(training_data: TrainingData) -> pl.DataFrame:
    """Ask for all that a network would forecast."""
    tables = []
    for part in ("train", "validation", "test"):
        rows = Observations.join(list(read_observations(training_data, part, "gaussian_rank")))
        keys = {"date": training_data.panel.days[rows.day.numpy()], "stock": rows.stock.numpy()}
        codes = pl.Series(training_data.panel.metadata.codes)
        tables += [
            pl.DataFrame(keys).select(
                "date", code=codes.gather(rows.stock.numpy()), split=pl.lit(part), horizon=pl.lit(h, pl.Int16)
            )
            for h in (1, 5)
        ]
    return pl.concat(tables)


def test_every_baseline_forecasts_what_the_network_does(
    asked: pl.DataFrame, training_data: TrainingData, ml_dataset: pl.DataFrame
) -> None:
    said = forecast_baselines(
        asked, ml_dataset.lazy(), training_data, "gaussian_rank", make_params(BaselineParams, lightgbm=SMALL)
    )

    wanted = asked.filter(pl.col("split") != "train")
    assert said["forecaster"].unique(maintain_order=True).to_list() == [
        "zero", "reversal", "momentum", "ridge", "lightgbm",
    ]  # fmt: skip
    assert not said.select("forecaster", "date", "code", "horizon").is_duplicated().any()
    for name in ("zero", "ridge", "lightgbm"):
        assert len(said.filter(forecaster=name)) == len(wanted)
    assert said["forecast"].is_finite().all()


def test_rules_look_at_closes_and_not_ahead(
    asked: pl.DataFrame, training_data: TrainingData, ml_dataset: pl.DataFrame
) -> None:
    params = make_params(BaselineParams, names=("reversal", "momentum"), momentum_days=40, momentum_skip=10)
    said = forecast_baselines(asked, ml_dataset.lazy(), training_data, "gaussian_rank", params)
    code = said["code"][0]
    closes = ml_dataset.filter(code=code).sort("date")
    day = said.filter(code=code)["date"].max()
    place = closes["date"].index_of(day)
    close = closes["close"].to_numpy().astype(np.float64)

    mine = {row["forecaster"]: row["forecast"] for row in said.filter(code=code, date=day, horizon=1).to_dicts()}
    assert place is not None
    assert mine["reversal"] == pytest.approx(1 - close[place] / close[place - 5], rel=1e-5)
    assert mine["momentum"] == pytest.approx(close[place - 10] / close[place - 40] - 1, rel=1e-5)


def test_without_closes_there_are_no_rules_and_that_is_told(
    asked: pl.DataFrame, training_data: TrainingData, ml_dataset: pl.DataFrame, caplog: pytest.LogCaptureFixture
) -> None:
    params = make_params(BaselineParams, names=("zero", "reversal"))
    said = forecast_baselines(asked, ml_dataset.drop("close").lazy(), training_data, "gaussian_rank", params)

    assert said["forecaster"].unique().to_list() == ["zero"]
    assert "Baseline reversal is omitted: the ML dataset has no column" in caplog.text


def test_ridge_is_the_plain_solution_of_the_day_by_day_problem(training_data: TrainingData) -> None:
    ridge = fit_ridge(training_data, "gaussian_rank", make_ridge((0.1,)))
    train = Observations.join(list(read_observations(training_data, "train", "gaussian_rank")))
    test = Observations.join(list(read_observations(training_data, "test", "gaussian_rank")))

    for horizon in (0, 3):
        known = train.labels[:, horizon].isfinite()
        x = _demean_slowly(train)[known.numpy()]
        y = train.labels[known, horizon].double().numpy()
        weights = np.linalg.solve(x.T @ x + 0.1 * len(x) * np.eye(x.shape[1]), x.T @ y)
        assert np.allclose(ridge(test)[:, horizon].numpy(), _demean_slowly(test) @ weights, atol=1e-4)


def _demean_slowly(rows: Observations) -> np.ndarray:
    x = rows.features.double().numpy().copy()
    x[np.isnan(x)] = 0
    for day in np.unique(rows.day):
        x[rows.day == day] -= x[rows.day == day].mean(0)
    return x


def test_the_validation_days_choose_the_penalty(training_data: TrainingData) -> None:
    small, large = (fit_ridge(training_data, "gaussian_rank", make_ridge((p,))) for p in (1e-4, 1e3))
    both = fit_ridge(training_data, "gaussian_rank", make_ridge((1e-4, 1e3)))
    rows = Observations.join(list(read_observations(training_data, "validation", "gaussian_rank")))

    for horizon in range(4):
        options = [each(rows)[:, horizon] for each in (small, large)]
        ics = [_rank_ic(rows, said, horizon) for said in options]
        assert torch.allclose(both(rows)[:, horizon], options[int(np.argmax(ics))])


def _rank_ic(rows: Observations, said: torch.Tensor, horizon: int) -> float:
    frame = pl.DataFrame({"day": rows.day.numpy(), "said": said.numpy(), "came": rows.labels[:, horizon].numpy()})
    frame = frame.filter(pl.col("came").is_not_nan())
    return frame.group_by("day").agg(ic=pl.corr("said", "came", method="spearman"))["ic"].mean()  # type: ignore[return-value]


def test_learned_baselines_do_not_see_the_test_days(
    asked: pl.DataFrame, training_data: TrainingData, ml_dataset: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory
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
        forecast_baselines(asked, ml_dataset.lazy(), each, "gaussian_rank", params).sort("forecaster", "date", "code")
        for each in (training_data, other)
    )
    assert one.equals(two)


def test_trees_find_what_ridge_cannot(training_data: TrainingData) -> None:
    assert training_data.panel.features.shape[1] > 3  # a square of a feature is no line of it
    features = training_data.panel.features.clone()
    rows = torch.arange(len(features) - 1)
    signal = torch.randn(len(rows), generator=torch.Generator().manual_seed(3))
    features[:-1, 0] = signal.half()
    targets = training_data.panel.targets.clone()
    square = signal.square() + 0.5 * torch.randn(len(rows))
    targets[:-1] = square.unsqueeze(-1).where(targets[:-1].isfinite(), torch.nan)
    panel = type(training_data.panel)(**{**vars(training_data.panel), "features": features, "targets": targets})
    planted = TrainingData(panel, training_data.graphs, training_data.split)

    test = Observations.join(list(read_observations(planted, "test", "gaussian_rank")))
    trees, ridge = (
        fit_boosting(planted, "gaussian_rank", SMALL),
        fit_ridge(planted, "gaussian_rank", make_params(RidgeParams)),
    )
    assert _rank_ic(test, trees(test)[:, 0], 0) > 0.6
    assert abs(_rank_ic(test, ridge(test)[:, 0], 0)) < 0.2


def test_the_oracle_is_asked_what_the_network_was_and_may_not_exist(asked: pl.DataFrame) -> None:
    oracle = asked.filter(horizon=1).select("date", "code", oracle_1d=pl.lit(0.5))

    assert len(forecast_with_oracle(asked, oracle, 0)) == len(asked.filter(horizon=1))
    assert len(forecast_with_oracle(asked, pl.DataFrame(schema={"date": pl.Date, "code": pl.String}), 0)) == 0


def test_baselines_are_learned_in_the_units_of_the_labels_that_the_run_was_trained_on(
    asked: pl.DataFrame, training_data: TrainingData, ml_dataset: pl.DataFrame, tmp_path: Path
) -> None:
    training = make_params(TrainingParams, labels={"transform": "zscore"})
    runs = Runs(tmp_path, commit="", is_dirty=False)
    folder = runs.create({"training": training.model_dump(mode="json")})
    graphs = graphs_to_panel(
        make_graphs(ml_dataset, make_params(GraphParams, neighbours=4)).lazy(), training_data.panel
    )
    params = make_params(BaselineParams, names=("ridge",), ridge=make_ridge((0.1,)))
    told = nodes.forecast_baselines(
        asked.lazy(),
        ml_dataset.lazy(),
        pl.LazyFrame(),
        replace(training_data, graphs=graphs),
        TrainedRun(run=folder.name, members=()),
        runs,
        0,
        params,
    )

    mine, other = (
        forecast_baselines(asked, ml_dataset.lazy(), training_data, u, params) for u in ("zscore", "gaussian_rank")
    )
    assert_frame_equal(told, mine)
    assert not told.equals(other)
