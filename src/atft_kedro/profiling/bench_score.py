"""Measure how fast forecasts are scored, and the memory that scoring needs."""

import time
from datetime import date, timedelta
from typing import NamedTuple

import numpy as np
import polars as pl

from ..evaluation.portfolio import PortfolioParams
from ..evaluation.score import EvaluationParams
from ..evaluation.score_forecasts import evaluate
from ..schema import CLOSE, CODE, DATE, FORECAST, HORIZON, HORIZONS, VOLUME, target
from ..training.telemetry import measure_memory

SEED = 7
FIRST_DAY = date(2000, 1, 1)
PARAMS = EvaluationParams(portfolio=PortfolioParams(weights="decile", top=20, cost_bp=10.0), units="gaussian_rank")


class ScoringTime(NamedTuple):
    """The time and memory of scoring some forecasts."""

    forecasts: int
    seconds: float
    peak_gb: float  # of the whole process, with the forecasts and returns


def time_scoring(stocks: int, days: int) -> ScoringTime:
    """Score random forecasts over all horizons."""
    generator, size = np.random.default_rng(SEED), stocks * days
    dates = pl.Series([FIRST_DAY + timedelta(days=day) for day in range(days)])
    codes = pl.Series([f"S{stock:05d}" for stock in range(stocks)])
    day, stock = np.repeat(np.arange(days), stocks), np.tile(np.arange(stocks), days)
    keys = pl.DataFrame({DATE: dates.gather(day), CODE: codes.gather(stock)})
    returns = {target(horizon): generator.standard_normal(size, dtype=np.float32) for horizon in HORIZONS}
    quotes = {CLOSE: np.ones(size, np.float32), VOLUME: generator.random(size, dtype=np.float32)}
    realised = keys.with_columns(pl.Series(name, values) for name, values in (returns | quotes).items())
    forecasts = pl.concat(
        keys.with_columns(
            pl.lit(horizon, pl.Int16).alias(HORIZON),
            pl.Series(FORECAST, generator.standard_normal(size, dtype=np.float32)),
        )
        for horizon in HORIZONS
    )
    started = time.perf_counter()
    evaluate(forecasts, realised, PARAMS)
    seconds = time.perf_counter() - started
    return ScoringTime(len(forecasts), seconds, measure_memory()["peak"] / 1e9)
