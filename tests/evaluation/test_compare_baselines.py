"""Test a run that is compared with baselines."""

import math
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from atft_kedro.evaluation.compare_baselines import score_run
from atft_kedro.evaluation.score import RunScore
from factories.forecasts import EVALUATION

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
    predicted = dataset.select(
        "date",
        "code",
        split=pl.when(pl.col("date") < half).then(pl.lit("validation")).otherwise(pl.lit("test")),
        horizon=pl.lit(1, pl.Int16),
        forecast=forecast,
    )
    return predicted if name is None else predicted.select(pl.lit(name).alias("forecaster"), pl.all())


@pytest.fixture(scope="module")
def scored_run(dataset: pl.DataFrame) -> tuple[RunScore, pl.DataFrame]:
    signal = 100 * pl.col("target_1d") + 3 * pl.col("noise")
    all_baselines = [
        select_forecasts(dataset, pl.lit(0.0), "zero"),
        select_forecasts(dataset, -signal, "reversed"),
        select_forecasts(dataset, signal * 2, "same"),
        select_forecasts(dataset, pl.col("target_1d"), "oracle"),
    ]
    return score_run("mine", select_forecasts(dataset, signal), pl.concat(all_baselines), dataset, EVALUATION, 0)


def test_baselines_are_paired_by_day(scored_run: tuple[RunScore, pl.DataFrame]) -> None:
    score, daily = scored_run
    network, reverse = (daily.filter(forecaster=name, split="test")["ic"] for name in ("network", "reversed"))

    lead = score.baselines["reversed"]["test"][1].differences["ic"]
    assert lead.mean == pytest.approx((network - reverse).mean())
    assert lead.se == pytest.approx(float((network - reverse).std()) / math.sqrt(len(network)), rel=0.5)  # type: ignore[arg-type]
    assert score.baselines["same"]["test"][1].differences["ic"].mean == pytest.approx(0, abs=1e-12)


def test_the_zero_baseline_has_an_ic_of_zero(scored_run: tuple[RunScore, pl.DataFrame]) -> None:
    score = scored_run[0]
    zero = score.baselines["zero"]["test"][1]

    assert zero.score.ic.mean is None
    assert zero.score.ic.undefined == DAYS // 2
    assert zero.differences["ic"].mean == pytest.approx(score.split["test"][1].ic.mean)


def test_the_oracle_is_no_baseline(scored_run: tuple[RunScore, pl.DataFrame]) -> None:
    score = scored_run[0]

    assert score.oracle["test"][1].ic.mean == pytest.approx(1)
    assert list(score.baselines) == ["zero", "reversed", "same"]
    assert RunScore.model_validate_json(score.model_dump_json()) == score


def test_a_baseline_with_fewer_forecasts_is_compared_on_those(dataset: pl.DataFrame) -> None:
    signal = 100 * pl.col("target_1d") + 3 * pl.col("noise")
    one_baseline = select_forecasts(dataset, signal * 2, "same").filter(pl.col("code") < "S20")
    score, _ = score_run("mine", select_forecasts(dataset, signal), one_baseline, dataset, EVALUATION, 0)

    assert score.baselines["same"]["test"][1].differences["ic"].mean == pytest.approx(0, abs=1e-12)
    assert score.baselines["same"]["test"][1].score.forecasts == 20 * DAYS // 2


def test_without_one_day_returns_baselines_have_scores_but_no_portfolios(dataset: pl.DataFrame) -> None:
    weeks = dataset.rename({"target_1d": "target_5d"})
    signal = (100 * pl.col("target_5d") + 3 * pl.col("noise")).alias("forecast")
    predicted = select_forecasts(dataset, pl.lit(0.0)).with_columns(
        weeks.select(signal)["forecast"], horizon=pl.lit(5, pl.Int16)
    )
    zero = predicted.with_columns(forecast=pl.lit(0.0)).select(pl.lit("zero").alias("forecaster"), pl.all())
    score, _ = score_run("mine", predicted, zero, weeks, EVALUATION, 0)

    assert score.split["test"][5].long_short is None
    assert score.baselines["zero"]["test"][5].differences["ic"].mean == pytest.approx(score.split["test"][5].ic.mean)
