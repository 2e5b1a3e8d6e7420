"""Positions of the newest day: weights, trades and their expected costs."""

import logging
from datetime import date
from typing import Any

import numpy as np
import polars as pl

from ..advice import advise_run
from ..files import parse_model, read_json
from ..params import InputError, list_names
from ..schema import CLOSE, CODE, DATE, DELISTING_RETURN
from ..training.run_status import read_training
from ..training.runs import Runs
from .backtest import Decision
from .expected_returns import Calibration, Calibrations, combine_horizons, measure_dispersion, standardise_forecasts
from .plan import MarketModels, OptimisedPolicy, PositionParams
from .price_arrays import Floats, PriceArrays, read_price_arrays

CALIBRATIONS = "position_calibrations.json"  # in a run's folder
HELD, WEIGHT, TRADE = "held_weight", "weight", "trade"
SCHEMA = pl.Schema(
    {
        DATE: pl.Date,
        CODE: pl.String,
        CLOSE: pl.Float64,
        HELD: pl.Float64,  # before the trades, as shares of the capital
        WEIGHT: pl.Float64,  # after the trades
        TRADE: pl.Float64,  # weight minus held weight
        "value": pl.Float64,  # of the trade, in currency
        "shares": pl.Float64,  # of the trade
        "expected_return": pl.Float64,  # per day held
        "cost": pl.Float64,  # expected cost of the trade, in currency
    }
)


_logger = logging.getLogger(__name__)


def find_calibration(runs: Runs, run: str) -> Calibration:
    """Read a run's calibration; a refit has that of its recipe.

    A run without tested positions is refused.
    """
    tested = runs.find(read_training(runs.find(run)).refit_of or run)
    path = tested / CALIBRATIONS
    folds = parse_model(read_json(path), Calibrations, path).folds if path.exists() else ()
    if not folds:
        raise InputError(
            f"run {tested.name} has no tested positions. {advise_run('--pipelines positions')} tests those of the "
            "latest run."
        )
    return folds[-1]


def plan_positions(
    forecasts: pl.DataFrame,
    dataset: pl.LazyFrame,
    calibration: Calibration,
    previous: pl.DataFrame,
    delistings: pl.DataFrame,
    params: PositionParams,
) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Plan the positions after the newest day of the forecasts, from the ones planned before.

    ``previous`` is the table of an earlier day, whose trades count as filled and whose weights drift with prices, or
    that of the same day, whose held weights are used again; it is empty at the start. Weights are shares of
    ``positions.capital``. The table has a row for each stock that is held or traded.
    """
    newest = forecasts.filter(pl.col(DATE) == pl.col(DATE).max())
    day = newest[DATE][0]
    _require_continuation(calibration, previous, day, params)
    known = delistings.filter(pl.col(DATE) <= day)
    first = previous[DATE][0] if len(previous) else day
    arrays = read_price_arrays(dataset, (first, day), params.history, known, 0.0)
    last, close = len(arrays.index.days) - 1, arrays.close[-1]
    dispersion = measure_dispersion(arrays.returns)
    expected = combine_horizons(standardise_forecasts(newest, arrays), calibration, dispersion, params.holding_days)
    market, holdings = MarketModels(arrays, params), drift_weights(previous, arrays, known)
    unpriced = _list_unpriced(holdings, arrays)
    held = _align(holdings, arrays)
    decision = OptimisedPolicy(arrays, expected, market, params)(last, held, params.capital)
    if not decision.is_solved:
        _logger.warning("the positions of %s cannot be computed within the limits: nothing is traded", day)
    orders = np.where(np.isfinite(close), decision.orders, 0.0)
    costs = market(last)[1].charge_trades(orders, params.capital)
    cost, values = params.capital * np.sum(list(costs.values()), axis=0), params.capital * orders
    columns = (close, held, held + orders, orders, values, values / close, expected[last], cost)
    table = pl.DataFrame(
        {DATE: [day] * len(held), CODE: arrays.index.codes, **dict(zip(list(SCHEMA)[2:], columns, strict=True))}
    ).with_columns(pl.selectors.float().fill_nan(None))
    table = pl.concat([table, unpriced.with_columns(pl.lit(day).alias(DATE))], how="diagonal")
    positions = table.filter((pl.col(HELD) != 0) | (pl.col(TRADE) != 0)).cast(SCHEMA).sort(WEIGHT, descending=True)
    return positions, _summarise(day, positions, {kind: float(cost.sum()) for kind, cost in costs.items()}, decision)


def _require_continuation(calibration: Calibration, previous: pl.DataFrame, day: date, params: PositionParams) -> None:
    """Refuse positions of another entry than the tested one, and those before the ones planned already."""
    if calibration.entry != params.entry:
        raise InputError(
            f"The run's positions were tested with positions.entry={calibration.entry}, and now it is {params.entry}: "
            f"{advise_run('--pipelines positions')} tests them again, or use the same entry."
        )
    if len(previous) and previous[DATE][0] > day:
        raise InputError(
            f"The positions planned before are of {previous[DATE][0]}, and the newest forecasts are of {day}: forecast "
            "that day or a later one, or delete positions.parquet to start without positions."
        )


def drift_weights(previous: pl.DataFrame, arrays: PriceArrays, delistings: pl.DataFrame) -> pl.DataFrame:
    """Move the weights of an earlier table to the last day: a table of codes and held weights.

    A stock in ``delistings`` earns its last return, and its position becomes cash. Another stock without a price on
    the last day may only be suspended: it keeps its last known price.
    """
    if previous.is_empty():
        return pl.DataFrame(schema={CODE: pl.String, HELD: pl.Float64})
    days = arrays.index.days
    day, last = max(int((days <= previous[DATE][0]).sum()) - 1, 0), len(days) - 1
    growth, has_ended = arrays.marks[last] / arrays.marks[day], arrays.terminal_day <= last
    stocks = pl.DataFrame({CODE: arrays.index.codes, "growth": growth, "has_ended": has_ended})
    value = pl.col("start") * pl.col("growth").fill_nan(1.0).fill_null(1.0)
    is_paid = pl.col(DELISTING_RETURN).is_not_null() & pl.col("has_ended").fill_null(True)
    moved = (
        previous.select(CODE, start=HELD if day == last else WEIGHT)
        .join(stocks, on=CODE, how="left", maintain_order="left")
        .join(delistings.drop(DATE), on=CODE, how="left", maintain_order="left")
        .with_columns(is_paid=is_paid)
        .with_columns(value=pl.when("is_paid").then(value * (1 + pl.col(DELISTING_RETURN))).otherwise(value))
    )
    equity = 1 + (moved["value"] - moved["start"]).sum()
    return moved.filter(~pl.col("is_paid")).select(CODE, (pl.col("value") / equity).alias(HELD))


def _list_unpriced(holdings: pl.DataFrame, arrays: PriceArrays) -> pl.DataFrame:
    """Warn of held stocks without a price on the last day; return rows for those that are not in the prices at all."""
    held, codes, day = holdings.filter(pl.col(HELD) != 0), arrays.index.codes, arrays.index.days[-1]
    absent = held.join(codes.to_frame(CODE), on=CODE, how="anti")
    priced = codes.filter(pl.Series(np.isfinite(arrays.close[-1]))).to_frame(CODE)
    if len(stuck := held.join(priced, on=CODE, how="anti")[CODE]):
        _logger.warning(
            "%d held stock(s) have no price on %s and are not traded (a delisted one needs a row in the table of "
            "delistings): %s",
            len(stuck),
            day,
            list_names(stuck),
        )
    if len(absent):
        _logger.warning(
            "%d of them have no price since %s: they keep their value, and limits do not count them: %s",
            len(absent),
            arrays.index.days[0],
            list_names(absent[CODE]),
        )
    nothing = dict.fromkeys((TRADE, "value", "shares", "cost"), pl.lit(0.0))
    return absent.with_columns(pl.col(HELD).alias(WEIGHT), **nothing)


def _align(holdings: pl.DataFrame, arrays: PriceArrays) -> Floats:
    """Return the held weights (stock,)."""
    stocks = arrays.index.codes.to_frame(CODE)
    return stocks.join(holdings, on=CODE, how="left", maintain_order="left")[HELD].fill_null(0.0).to_numpy()


def _summarise(day: date, positions: pl.DataFrame, costs: dict[str, float], decision: Decision) -> dict[str, Any]:
    """Summarise the planned positions; costs are shares of the capital."""
    return {
        "positions_from": str(day),
        "stocks": int((positions[WEIGHT] != 0).sum()),
        "gross_exposure": float(positions[WEIGHT].abs().sum()),
        "net_exposure": float(positions[WEIGHT].sum()),
        "turnover": float(positions[TRADE].abs().sum()),
        "expected_cost": costs,
        "is_solved": decision.is_solved,
    }
