"""Backtest of positions made from a table of forecasts, beside decile books at the same entry and costs."""

from dataclasses import dataclass

import polars as pl

from ..evaluation.daily_statistics import finite_or_none, sharpe
from ..evaluation.position_score import (
    BOOK,
    OPTIMISED,
    PORTFOLIO,
    POSITION_DAYS_SCHEMA,
    PositionScore,
    score_positions,
)
from ..params import InputError
from ..progress import track_progress
from ..schema import DATE, FORECAST, HORIZON, SPLIT
from .backtest import Backtest, Policy, run_backtest
from .expected_returns import Calibrations, expect_returns
from .plan import MarketModels, OptimisedPolicy, PositionParams, make_book_policy
from .price_arrays import read_price_arrays


@dataclass(frozen=True)
class SimulatedPositions:
    """Daily results of every portfolio, the optimised positions, and the score."""

    daily: pl.DataFrame
    weights: pl.DataFrame
    calibrations: Calibrations
    score: PositionScore


def simulate_positions(
    forecasts: pl.DataFrame,
    dataset: pl.LazyFrame,
    delistings: pl.DataFrame,
    params: PositionParams,
    fold: str | None = None,
) -> SimulatedPositions:
    """Backtest the positions made from the forecasts of the test days.

    Forecasts of validation days measure how returns follow forecasts. ``fold`` names a column of the forecasts: the
    validation days of each fold are used for its test days only.
    """
    is_test = pl.col(SPLIT) == "test"
    tested, used = forecasts.filter(is_test), forecasts.filter(is_test | (pl.col(SPLIT) == "validation"))
    if tested.is_empty():
        raise InputError("Positions need forecasts of test days.")
    period = used[DATE].sort()
    arrays = read_price_arrays(dataset, (period[0], period[-1]), params.history, delistings, params.delisting_return)
    expected = expect_returns(used, arrays, params.entry, params.holding_days, fold)
    days = range(int((arrays.index.days < tested[DATE].min()).sum()), len(arrays.index.days))
    market = MarketModels(arrays, params)

    def run(policy: Policy, capital: float = params.capital) -> Backtest:
        """Backtest a policy on the test days."""
        return run_backtest(arrays, days, params.entry, policy, market, capital)

    optimised = OptimisedPolicy(arrays, expected.per_day, market, params)
    own = run(optimised)
    results = {OPTIMISED: own.daily}
    for horizon in sorted(tested[HORIZON].unique().to_list()):
        rows = arrays.index.find(tested.filter(pl.col(HORIZON) == horizon), "forecasts")
        policy = make_book_policy(arrays.index.to_array(rows, FORECAST), horizon)
        results[f"{BOOK}{horizon}"] = run(policy).daily
    daily = pl.concat([table.select(pl.lit(name).alias(PORTFOLIO), pl.all()) for name, table in results.items()])
    capacity = {
        f"{capital:g}": finite_or_none(sharpe((own if capital == params.capital else run(optimised, capital)).net))
        for capital in track_progress(sorted({*params.capacity, params.capital}), "positions, amounts of capital")
    }
    score = score_positions(daily, params.entry, params.capital, capacity, describe_delisted(delistings, params))
    return SimulatedPositions(daily.cast(POSITION_DAYS_SCHEMA), own.weights, expected.calibrations, score)


def describe_delisted(delistings: pl.DataFrame, params: PositionParams) -> str:
    """Describe the return of delisted stocks in a sentence."""
    default = f"{params.delisting_return:+.0%} on the day after its last price (positions.delisting_return)"
    if delistings.is_empty():
        return f"A stock without later prices earns {default}, because there is no table of delistings."
    return f"Delisted stocks earn the returns of the table of delistings; a stock that it lacks earns {default}."
