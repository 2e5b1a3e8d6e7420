"""A run that forecasts one day, with known baselines: its random returns, forecasts and score."""

from datetime import date, timedelta

import numpy as np
import polars as pl

from atft_kedro.evaluation.compare_baselines import score_run
from atft_kedro.evaluation.score import RunScore
from factories.forecasts import EVALUATION

FIRST = date(2024, 1, 1)
DAYS, STOCKS = 200, 30
SIGNAL = 100 * pl.col("target_1d") + 3 * pl.col("noise")


def make_noisy_returns() -> pl.DataFrame:
    """Make random one-day returns, and noise that is independent of them."""
    random = np.random.default_rng(2)
    rows = [(FIRST + timedelta(days=day), f"S{stock:02d}") for day in range(DAYS) for stock in range(STOCKS)]
    return pl.DataFrame(rows, schema=["date", "code"], orient="row").with_columns(
        target_1d=pl.Series(0.01 * random.normal(size=len(rows))), noise=pl.Series(random.normal(size=len(rows)))
    )


def select_forecasts(returns: pl.DataFrame, forecast: pl.Expr, name: str | None = None) -> pl.DataFrame:
    """Select forecasts of one day; the later half of the days is tested. A name becomes the forecaster."""
    half = FIRST + timedelta(days=DAYS // 2)
    table = returns.select(
        "date",
        "code",
        split=pl.when(pl.col("date") < half).then(pl.lit("validation")).otherwise(pl.lit("test")),
        horizon=pl.lit(1, pl.Int16),
        forecast=forecast,
    )
    return table if name is None else table.select(pl.lit(name).alias("forecaster"), pl.all())


def score_with_baselines(returns: pl.DataFrame) -> tuple[RunScore, pl.DataFrame]:
    """Score a run with a baseline of zeros, its reversed and its doubled forecasts, and the oracle."""
    baselines = {"zero": pl.lit(0.0), "reversed": -SIGNAL, "same": SIGNAL * 2, "oracle": pl.col("target_1d")}
    others = pl.concat(select_forecasts(returns, forecast, name) for name, forecast in baselines.items())
    return score_run("run", select_forecasts(returns, SIGNAL), others, returns, EVALUATION, 0)
