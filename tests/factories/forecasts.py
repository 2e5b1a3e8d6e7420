"""Random returns, and forecasts of them."""

from datetime import date, timedelta

import numpy as np
import polars as pl

from atft_kedro.evaluation import score_forecasts
from atft_kedro.evaluation.portfolio import PortfolioParams
from atft_kedro.evaluation.score import EvaluationParams, HorizonScore, Score
from factories.params import make_params

FIRST = date(2024, 1, 1)
EVALUATION = EvaluationParams(portfolio=make_params(PortfolioParams), units="gaussian_rank")  # of conf/base
IN_RETURNS = EVALUATION.model_copy(update={"units": "returns"})


def realise(days: int = 60, stocks: int = 40, seed: int = 3) -> pl.DataFrame:
    random = np.random.default_rng(seed)
    rows = [(FIRST + timedelta(days=day), f"S{stock:02d}") for stock in range(stocks) for day in range(days)]
    return pl.DataFrame(rows, schema=["date", "code"], orient="row").with_columns(
        target_1d=pl.Series(0.02 * random.normal(size=len(rows))),
        target_5d=pl.Series(0.04 * random.normal(size=len(rows))),
    )


def forecast(realised: pl.DataFrame, table: pl.Expr, horizon: int = 1) -> pl.DataFrame:
    return realised.select("date", "code", horizon=pl.lit(horizon), forecast=table).drop_nulls()


def evaluate(forecasts: pl.DataFrame, realised: pl.DataFrame, params: EvaluationParams = EVALUATION) -> Score:
    """Score forecasts with the parameters of conf/base."""
    return score_forecasts.evaluate(forecasts, realised, params)


def score(forecasts: pl.DataFrame, realised: pl.DataFrame, horizon: int = 1) -> HorizonScore:
    return evaluate(forecasts, realised, IN_RETURNS).horizons[horizon]
