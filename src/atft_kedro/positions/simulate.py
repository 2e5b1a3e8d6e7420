"""Backtest of positions made from a table of forecasts, beside decile books at the same entry and costs."""

import logging
from importlib.util import find_spec
from typing import NamedTuple

import polars as pl

from ..evaluation.position_score import (
    BOOK,
    CAPITAL,
    OPTIMISED,
    PORTFOLIO,
    POSITION_DAYS_SCHEMA,
    PositionResult,
    score_positions,
)
from ..params import InputError
from ..progress import track_progress
from ..schema import CLOSE, CODE, DATE, FORECAST, HIGH, HORIZON, LOW, OPEN, SPLIT, VOLUME
from .backtest import Policy, run_backtest
from .expected_returns import Calibrations, expect_returns
from .plan import MarketModels, OptimisedPolicy, PositionParams, make_book_policy
from .price_arrays import PriceArrays, read_price_arrays

OPTIMISER = "cvxpy"
WEIGHTS_SCHEMA = pl.Schema({DATE: pl.Date, CODE: pl.String, "weight": pl.Float64, "order": pl.Float64})

_logger = logging.getLogger(__name__)


class PositionTables(NamedTuple):
    """The days of every portfolio, the optimised positions, the calibrations and the score."""

    daily: pl.DataFrame
    weights: pl.DataFrame
    calibrations: Calibrations
    result: PositionResult


def simulate_if_possible(
    forecasts: pl.LazyFrame,
    dataset: pl.LazyFrame,
    delistings: pl.DataFrame,
    params: PositionParams,
    fold: str | None = None,
) -> PositionTables:
    """Backtest the positions of the test days, and score them.

    Where positions are not possible, the reason is logged, the tables are empty and there is no score: the other
    scores of a run do not depend on them.
    """
    try:
        require_possible(dataset, params)
        return simulate_positions(forecasts.collect(), dataset, delistings, params, fold)
    except InputError as error:
        _logger.warning("No positions: %s", error)
    days, weights = (pl.DataFrame(schema=schema) for schema in (POSITION_DAYS_SCHEMA, WEIGHTS_SCHEMA))
    return PositionTables(days, weights, Calibrations(folds=()), PositionResult())


def require_possible(dataset: pl.LazyFrame, params: PositionParams) -> None:
    """Refuse positions that are not enabled, or lack the optimiser or a column."""
    if not params.enabled:
        raise InputError("positions.enabled is false.")
    if find_spec(OPTIMISER) is None:
        raise InputError(f"{OPTIMISER} is not installed. Install it with: pip install 'atft-kedro[positions]'")
    costs, needed = params.costs, {CLOSE: ("values the positions", "")}
    if params.entry == "next_open":
        needed[OPEN] = "positions.entry=next_open needs", ", or set positions.entry=next_close"
    if costs.flat_bp is None and costs.half_spread_bp is None:
        spread = "the estimate of spreads needs", ", or set positions.costs.half_spread_bp to numbers"
        needed |= {HIGH: spread, LOW: spread}
    if costs.flat_bp is None and costs.impact > 0:
        other = ", or set positions.costs.impact=0 or positions.costs.flat_bp to a number"
        needed[VOLUME] = "the impact of trades needs", other
    schema = dataset.collect_schema()
    for column, (need, other) in needed.items():
        if column not in schema:
            raise InputError(
                f"The ML dataset has no column {column!r}, which {need}. Name it under `columns:` in conf/{other}."
            )


def simulate_positions(
    forecasts: pl.DataFrame,
    dataset: pl.LazyFrame,
    delistings: pl.DataFrame,
    params: PositionParams,
    fold: str | None = None,
) -> PositionTables:
    """Backtest the positions made from the forecasts of the test days.

    Forecasts of validation days measure how returns follow forecasts. ``fold`` names a column of the forecasts: the
    validation days of a fold are used for its test days and those of later folds. Days without a forecast in the last
    days of the longest horizon are left out of the results. Books and other amounts of capital that lose everything
    are left out too.
    """
    tested, used = forecasts.filter(split="test"), forecasts.filter(pl.col(SPLIT).is_in(["validation", "test"]))
    if tested.is_empty():
        raise InputError("Positions need forecasts of test days.")
    if fold and tested.select(DATE, fold).unique()[DATE].is_duplicated().any():
        raise InputError("Several folds test the same day.")
    period = used[DATE].sort()
    arrays = read_price_arrays(dataset, (period[0], period[-1]), params.history, delistings, params.delisting_return)
    expected = expect_returns(used, arrays, params.entry, params.holding_days, fold)
    days = range(int((arrays.index.days < tested[DATE].min()).sum()), len(arrays.index.days))
    market = MarketModels(arrays, params)
    policy = OptimisedPolicy(arrays, expected.per_day, market, params)
    own, weights = run_backtest(arrays, days, params.entry, policy, market, params.capital)
    results, others = {OPTIMISED: own}, _list_other_portfolios(arrays, tested, policy, params)
    for name, (other, capital) in track_progress(list(others.items()), "positions, other portfolios"):
        try:
            results[name] = run_backtest(arrays, days, params.entry, other, market, capital).daily
        except InputError as error:
            _logger.warning("positions, %s: %s", name, error)
    daily = pl.concat(table.select(pl.lit(name).alias(PORTFOLIO), pl.all()) for name, table in results.items())
    daily = daily.filter(pl.col(DATE).is_in(find_recent_days(arrays, tested).implode())).cast(POSITION_DAYS_SCHEMA)
    note = (
        f"A delisted stock without a row in the table of delistings earns {params.delisting_return:+.0%} on the day "
        "after its last price (positions.delisting_return)."
    )
    score = score_positions(daily, params.entry, params.capital, note)
    return PositionTables(daily, weights, expected.calibrations, PositionResult(score=score))


def _list_other_portfolios(
    arrays: PriceArrays, tested: pl.DataFrame, optimised: Policy, params: PositionParams
) -> dict[str, tuple[Policy, float]]:
    """List a decile book of each horizon, and the optimised positions with more capital."""
    portfolios: dict[str, tuple[Policy, float]] = {}
    for (horizon,), rows in tested.sort(HORIZON).group_by(HORIZON, maintain_order=True):
        values = arrays.index.to_array(arrays.index.find(rows, "forecasts"), FORECAST)
        portfolios[f"{BOOK}{horizon}"] = make_book_policy(values, int(horizon)), params.capital
    return portfolios | {f"{CAPITAL}{capital:.12g}": (optimised, capital) for capital in params.capacity}


def find_recent_days(arrays: PriceArrays, tested: pl.DataFrame) -> pl.Series:
    """List the days on which the newest forecasts are not older than the longest horizon."""
    days, longest = arrays.index.days, tested[HORIZON].sort()[-1]
    has_forecast = days.is_in(tested[DATE].unique().implode()).cast(pl.Int8)
    return days.filter(has_forecast.rolling_max(longest + 1, min_samples=1) > 0)
