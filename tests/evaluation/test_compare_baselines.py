"""Test a run that is compared with baselines."""

import math

import polars as pl
import pytest

from atft_kedro.evaluation.compare_baselines import score_run
from atft_kedro.evaluation.score import RunScore
from factories.baseline_runs import DAYS, SIGNAL, make_noisy_returns, score_with_baselines, select_forecasts
from factories.forecasts import EVALUATION


@pytest.fixture(scope="module")
def returns() -> pl.DataFrame:
    return make_noisy_returns()


@pytest.fixture(scope="module")
def scored_run(returns: pl.DataFrame) -> tuple[RunScore, pl.DataFrame]:
    return score_with_baselines(returns)


def test_baselines_are_paired_by_day(scored_run: tuple[RunScore, pl.DataFrame]) -> None:
    score, daily = scored_run
    network, reverse = (daily.filter(forecaster=name, split="test")["ic"] for name in ("network", "reversed"))

    difference = score.baselines["reversed"]["test"][1].differences["ic"]
    assert difference.mean == pytest.approx((network - reverse).mean())
    assert difference.se == pytest.approx(float((network - reverse).std()) / math.sqrt(len(network)), rel=0.5)  # type: ignore[arg-type]
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


def test_a_baseline_with_fewer_forecasts_is_compared_on_those(returns: pl.DataFrame) -> None:
    baseline = select_forecasts(returns, SIGNAL * 2, "same").filter(pl.col("code") < "S20")
    score, _ = score_run("run", select_forecasts(returns, SIGNAL), baseline, returns, EVALUATION, 0)

    assert score.baselines["same"]["test"][1].differences["ic"].mean == pytest.approx(0, abs=1e-12)
    assert score.baselines["same"]["test"][1].score.forecasts == 20 * DAYS // 2


def test_without_one_day_returns_baselines_have_scores_but_no_portfolios(returns: pl.DataFrame) -> None:
    forecasts, zero = (
        select_forecasts(returns, forecast, name).with_columns(horizon=pl.lit(5, pl.Int16))
        for forecast, name in ((SIGNAL, None), (pl.lit(0.0), "zero"))
    )
    score, _ = score_run("run", forecasts, zero, returns.rename({"target_1d": "target_5d"}), EVALUATION, 0)

    assert score.split["test"][5].long_short is None
    assert score.baselines["zero"]["test"][5].differences["ic"].mean == pytest.approx(score.split["test"][5].ic.mean)
