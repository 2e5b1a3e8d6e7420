"""Backtest of positions made from a table of forecasts, beside decile books at the same entry and costs."""

import logging
from dataclasses import dataclass

import polars as pl

from ..evaluation.daily_statistics import finite_or_none, sharpe
from ..evaluation.position_score import (
    BOOK,
    NET,
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
from .price_arrays import PriceArrays, read_price_arrays

_logger = logging.getLogger(__name__)


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
    validation days of a fold are used for its test days and those of later folds. Days without a forecast in the last
    days of the longest horizon are left out of the results.
    """
    is_test = pl.col(SPLIT) == "test"
    tested, used = forecasts.filter(is_test), forecasts.filter(is_test | (pl.col(SPLIT) == "validation"))
    if tested.is_empty():
        raise InputError("Positions need forecasts of test days.")
    period = used[DATE].sort()
    arrays = read_price_arrays(dataset, (period[0], period[-1]), params.history, delistings, params.delisting_return)
    expected = expect_returns(used, arrays, params.entry, params.holding_days, fold)
    days = range(int((arrays.index.days < tested[DATE].min()).sum()), len(arrays.index.days))
    backtester = Backtester(arrays, days, find_recent_days(arrays, tested), params, MarketModels(arrays, params))
    optimised = OptimisedPolicy(arrays, expected.per_day, backtester.market, params)
    own = backtester.run(optimised, params.capital)
    tables = {OPTIMISED: own.daily, **backtester.run_books(tested)}
    daily = pl.concat(table.select(pl.lit(name).alias(PORTFOLIO), pl.all()) for name, table in tables.items())
    capacity = {f"{params.capital:.12g}": finite_or_none(sharpe(own.daily[NET].to_numpy()))}
    for capital in track_progress(params.capacity, "positions, amounts of capital"):
        result = backtester.run_or_warn(f"capital {capital:g}", optimised, capital)
        net = None if result is None else result.daily[NET].to_numpy()
        capacity[f"{capital:.12g}"] = None if net is None else finite_or_none(sharpe(net))
    score = score_positions(daily, params.entry, params.capital, capacity, describe_delisted(delistings, params))
    return SimulatedPositions(daily.cast(POSITION_DAYS_SCHEMA), own.weights, expected.calibrations, score)


@dataclass(frozen=True)
class Backtester:
    """Backtests policies on the same days with the same models of risk and costs."""

    arrays: PriceArrays
    days: range
    scored_days: pl.Series
    params: PositionParams
    market: MarketModels

    def run(self, policy: Policy, capital: float) -> Backtest:
        """Backtest a policy; its daily results are those of the scored days."""
        result = run_backtest(self.arrays, self.days, self.params.entry, policy, self.market, capital)
        return Backtest(result.daily.filter(pl.col(DATE).is_in(self.scored_days.to_list())), result.weights)

    def run_or_warn(self, name: str, policy: Policy, capital: float) -> Backtest | None:
        """Backtest a policy; None with a warning if it loses all its capital."""
        try:
            return self.run(policy, capital)
        except InputError as error:
            _logger.warning("positions, %s: %s", name, error)
            return None

    def run_books(self, forecasts: pl.DataFrame) -> dict[str, pl.DataFrame]:
        """Backtest the decile book of each horizon; return the daily results by the book's name."""
        results = {}
        for horizon in sorted(forecasts[HORIZON].unique().to_list()):
            rows = self.arrays.index.find(forecasts.filter(pl.col(HORIZON) == horizon), "forecasts")
            policy = make_book_policy(self.arrays.index.to_array(rows, FORECAST), horizon)
            results[f"{BOOK}{horizon}"] = self.run_or_warn(f"{BOOK}{horizon}", policy, self.params.capital)
        return {name: result.daily for name, result in results.items() if result is not None}


def find_recent_days(arrays: PriceArrays, tested: pl.DataFrame) -> pl.Series:
    """List the days on which the newest forecasts are not older than the longest horizon."""
    days, longest = arrays.index.days, tested[HORIZON].unique().sort()[-1]
    has_forecast = days.is_in(tested[DATE].unique().to_list()).cast(pl.Int8)
    return days.filter(has_forecast.rolling_max(longest + 1, min_samples=1) > 0)


def describe_delisted(delistings: pl.DataFrame, params: PositionParams) -> str:
    """Describe the return of delisted stocks in a sentence."""
    default = f"{params.delisting_return:+.0%} on the day after its last price (positions.delisting_return)"
    if delistings.is_empty():
        return f"A stock without later prices earns {default}, because there is no table of delistings."
    return f"Delisted stocks earn the returns of the table of delistings; a stock that it lacks earns {default}."
