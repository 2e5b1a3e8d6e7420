"""Test goals: met, missed, or without a verdict."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from atft_kedro.evaluation.compare_baselines import score_run
from atft_kedro.evaluation.goals import GoalParams, check_goals, measure_train_gap
from atft_kedro.evaluation.score import GoalResult, RunScore
from factories.forecasts import EVALUATION
from factories.params import make_params
from factories.training_logs import make_mean, score_horizon

FIRST = date(2024, 1, 1)
DAYS, STOCKS = 200, 30


@pytest.fixture(scope="module")
def dataset() -> pl.DataFrame:
    random = np.random.default_rng(2)
    rows = [(FIRST + timedelta(days=day), f"S{stock:02d}") for day in range(DAYS) for stock in range(STOCKS)]
    return pl.DataFrame(rows, schema=["date", "code"], orient="row").with_columns(
        target_1d=pl.Series(0.01 * random.normal(size=len(rows))), noise=pl.Series(random.normal(size=len(rows)))
    )


def select_forecasts(dataset: pl.DataFrame, forecast: pl.Expr, name: str | None = None) -> pl.DataFrame:
    half = FIRST + timedelta(days=DAYS // 2)
    table = dataset.select(
        "date",
        "code",
        split=pl.when(pl.col("date") < half).then(pl.lit("validation")).otherwise(pl.lit("test")),
        horizon=pl.lit(1, pl.Int16),
        forecast=forecast,
    )
    return table if name is None else table.select(pl.lit(name).alias("forecaster"), pl.all())


@pytest.fixture(scope="module")
def scored_run(dataset: pl.DataFrame) -> tuple[RunScore, pl.DataFrame]:
    signal = 100 * pl.col("target_1d") + 3 * pl.col("noise")
    baselines = [
        select_forecasts(dataset, pl.lit(0.0), "zero"),
        select_forecasts(dataset, -signal, "reversed"),
        select_forecasts(dataset, signal * 2, "same"),
        select_forecasts(dataset, pl.col("target_1d"), "oracle"),
    ]
    return score_run("mine", select_forecasts(dataset, signal), pl.concat(baselines), dataset, EVALUATION, 0)


def test_targets_are_met_or_missed(scored_run: tuple[RunScore, pl.DataFrame]) -> None:
    split = scored_run[0].split
    ic = split["test"][1].ic.mean or 0
    ratio = split["test"][1].ic.ir or 0
    params = make_params(
        GoalParams,
        ic={1: ic - 0.01, 5: 0.1},
        ic_ir={1: ratio + 0.1},
        rank_ic={1: 0.99, 5: None},
        net_sharpe={1: -99.0},
    )
    goals = check_goals(split, 3.0, params)

    assert {name: goal.is_met for name, goal in goals.items()} == {
        "ic_h1": True,
        "ic_h5": False,
        "ic_ir_h1": False,
        "rank_ic_h1": False,
        "net_sharpe_h1": True,
        "train_gap": False,
        "gradient_norm": True,
    }
    assert goals["ic_h5"].value is None
    assert goals["ic_ir_h1"].value == ratio
    assert not GoalResult(wanted=10, is_minimum=False, value=10.0).is_met


def test_noise_is_no_goal_met() -> None:
    means = {"train": make_mean(0.03, 0.02), "validation": make_mean(0.05, 0.02), "test": make_mean(0.2, 0.02)}
    split = {part: {1: score_horizon(mean)} for part, mean in means.items()}
    sure = split | {"train": {1: score_horizon(make_mean(0.3, 0.02))}}
    params = make_params(GoalParams, ic={1: 0.01, 5: 0.1}, rank_ic={1: 0.1}, net_sharpe={})

    goals = check_goals(split, None, params)

    assert goals["train_gap"].value == pytest.approx(-2 / 3)
    draws = np.random.default_rng(1).normal((0.03, 0.05), 0.0005, (10_000, 2))
    assert goals["train_gap"].se == pytest.approx(40 * (1 - draws[:, 1] / draws[:, 0]).std(), rel=0.05)
    assert goals["train_gap"].verdict == goals["ic_h1"].verdict == "no verdict: its error is larger than the goal"
    assert [goals["rank_ic_h1"].verdict, goals["gradient_norm"].verdict] == ["met", "not measured"]
    assert check_goals(sure, None, params)["train_gap"].verdict == "missed"


def test_the_train_gap_is_the_share_lost_on_validation_days(scored_run: tuple[RunScore, pl.DataFrame]) -> None:
    split = scored_run[0].split
    train, validation = split["test"], split["validation"]

    lost, _ = measure_train_gap({"train": train, "validation": validation})
    assert lost == pytest.approx(1 - (validation[1].rank_ic.mean or 0) / (train[1].rank_ic.mean or 1))
    assert measure_train_gap({"validation": validation}) == (None, None)
