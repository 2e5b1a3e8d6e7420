"""Test the scores of a walk's folds and of their pooled test days."""

from pathlib import Path

import polars as pl
from polars.testing import assert_frame_equal

from atft_kedro.evaluation.score_forecasts import evaluate
from atft_kedro.walk_forward.score import pool_forecasts
from atft_kedro.walk_forward.walk import FoldResults
from factories.forecasts import EVALUATION
from factories.walks import DAYS, make_forecasts, make_returns, score_trained, write_fold


def test_the_pooled_forecasts_are_the_test_days_of_all_folds(tmp_path: Path) -> None:
    returns = make_returns()
    trained = FoldResults(
        folds=(write_fold(tmp_path, "one", (10, 30), seed=2), write_fold(tmp_path, "two", (30, 60), seed=3))
    )

    pooled = pool_forecasts(trained, tmp_path, returns).collect()
    score = score_trained(trained, tmp_path, returns).score

    forecasts = pl.concat([make_forecasts(10, 30, 2), make_forecasts(30, 60, 3)])
    targets = returns.select("date", "code", target="target_1d").collect()
    assert_frame_equal(pooled, forecasts.join(targets, on=["date", "code"], maintain_order="left"), check_exact=True)
    assert score.pooled == evaluate(forecasts, returns.collect(), EVALUATION).horizons
    assert score.days == (str(DAYS[10]), str(DAYS[59]))
    next_returns = returns.with_columns(pl.col("target_1d").shift(-1).over("code", order_by="date"))
    assert score.next_close == evaluate(forecasts, next_returns.collect(), EVALUATION).horizons
    returns_of_fold = returns.filter(pl.col("date") >= DAYS[30]).collect()
    of_fold = evaluate(make_forecasts(30, 60, 3), returns_of_fold, EVALUATION)
    assert score.folds[1].horizons == of_fold.horizons
    assert score.folds[1].stocks == 20


def test_days_that_several_folds_test_have_the_mean_forecast(tmp_path: Path) -> None:
    folds = (write_fold(tmp_path, "one", (10, 20), (40, 50), seed=2), write_fold(tmp_path, "two", (15, 45), seed=3))

    pooled = pool_forecasts(FoldResults(folds=folds), tmp_path, make_returns()).collect()

    one, two = (pl.read_parquet(tmp_path / name / "forecasts.parquet").filter(split="test") for name in ("one", "two"))
    both = one.join(two.select("date", "code", second="forecast"), on=["date", "code"])
    of_both = pooled.select("date", "code", "forecast").join(both.select("date", "code"), on=["date", "code"])
    assert pooled.height == len(one) + len(two) - len(both) == 40 * 20
    means = both.select("date", "code", forecast=pl.mean_horizontal("forecast", "second"))
    assert_frame_equal(of_both, means, check_row_order=False)
