"""Backtest of positions made from a table of forecasts, beside decile books at the same entry and costs."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import partial
from importlib.util import find_spec
from typing import Any, NamedTuple

import polars as pl

from ..dotted_paths import get_value
from ..evaluation.position_score import (
    BOOK,
    CHANGED,
    OPTIMISED,
    PORTFOLIO,
    POSITION_DAYS_SCHEMA,
    PositionResult,
    score_positions,
)
from ..params import InputError
from ..progress import track_progress
from ..schema import CLOSE, CODE, DATE, FORECAST, HIGH, HORIZON, LOW, OPEN, SPLIT, VOLUME
from .backtest import Backtest, Policy, run_backtest
from .expected_returns import Calibrations, ExpectedReturns, expect_returns
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
    days of the longest horizon are left out of the results. Other portfolios that lose all their capital are left out.
    """
    tested, used = forecasts.filter(split="test"), forecasts.filter(pl.col(SPLIT).is_in(["validation", "test"]))
    if tested.is_empty():
        raise InputError("Positions need forecasts of test days.")
    if fold and tested.select(DATE, fold).unique()[DATE].is_duplicated().any():
        raise InputError("Several folds test the same day.")
    simulation = _Simulation(used, dataset, delistings, fold, tested[DATE].sort()[0])
    market, expected, (own, weights) = simulation.run_optimised(params)
    results, others = {OPTIMISED: own}, simulation.list_other_portfolios(tested, market)
    for name, run in track_progress(list(others.items()), "positions, other portfolios"):
        try:
            results[name] = run().daily
        except InputError as error:
            _logger.warning("positions, %s: %s", name, error)
    daily = pl.concat(table.select(pl.lit(name).alias(PORTFOLIO), pl.all()) for name, table in results.items())
    recent_days = find_recent_days(market.arrays, tested)
    daily = daily.filter(pl.col(DATE).is_in(recent_days.implode())).cast(POSITION_DAYS_SCHEMA)
    note = (
        f"A delisted stock without a row in the table of delistings earns {params.delisting_return:+.0%} on the day "
        "after its last price (positions.delisting_return)."
    )
    own_values = {name: _write_value(get_value(params.model_dump(), name)) for name, _ in params.list_variants()}
    score = score_positions(daily, params.entry, params.capital, own_values, note)
    return PositionTables(daily, weights, expected.calibrations, PositionResult(score=score))


@dataclass(frozen=True)
class _Simulation:
    """The inputs of the backtests."""

    forecasts: pl.DataFrame
    dataset: pl.LazyFrame
    delistings: pl.DataFrame
    fold: str | None
    first: date

    def run_optimised(self, params: PositionParams) -> tuple[MarketModels, ExpectedReturns, Backtest]:
        """Backtest the optimised positions."""
        period = self.forecasts[DATE].sort()
        arrays = read_price_arrays(
            self.dataset, (period[0], period[-1]), params.history, self.delistings, params.delisting_return
        )
        expected = expect_returns(self.forecasts, arrays, params.entry, params.holding_days, self.fold)
        market = MarketModels(arrays, params)
        return market, expected, self._run(market, OptimisedPolicy(arrays, expected.per_day, market, params))

    def list_other_portfolios(self, tested: pl.DataFrame, market: MarketModels) -> dict[str, Callable[[], Backtest]]:
        """List a decile book of each horizon, and the optimised positions with other parameters."""
        portfolios: dict[str, Callable[[], Backtest]] = {}
        for (horizon,), rows in tested.sort(HORIZON).group_by(HORIZON, maintain_order=True):
            values = market.arrays.index.to_array(market.arrays.index.find(rows, "forecasts"), FORECAST)
            policy = make_book_policy(values, int(horizon))
            portfolios[f"{BOOK}{horizon}"] = partial(self._run, market, policy)
        for (name, value), changed in market.params.list_variants().items():
            portfolios[f"{name}{CHANGED}{_write_value(value)}"] = partial(self._run_variant, changed)
        return portfolios

    def _run_variant(self, params: PositionParams) -> Backtest:
        return self.run_optimised(params)[-1]

    def _run(self, market: MarketModels, policy: Policy) -> Backtest:
        arrays, params = market.arrays, market.params
        days = range(int((arrays.index.days < self.first).sum()), len(arrays.index.days))
        return run_backtest(arrays, days, params.entry, policy, market, params.capital)


def _write_value(value: Any) -> str:
    return "null" if value is None else f"{value:.12g}" if isinstance(value, float) else str(value)


def find_recent_days(arrays: PriceArrays, tested: pl.DataFrame) -> pl.Series:
    """List the days on which the newest forecasts are not older than the longest horizon."""
    days, longest = arrays.index.days, tested[HORIZON].sort()[-1]
    has_forecast = days.is_in(tested[DATE].unique().implode()).cast(pl.Int8)
    return days.filter(has_forecast.rolling_max(longest + 1, min_samples=1) > 0)
