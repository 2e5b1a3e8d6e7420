"""Positions of the newest day: weights, trades and their expected costs."""

import logging
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from ..advice import advise_run
from ..files import parse_model, read_json
from ..market.delistings import NO_DELISTINGS
from ..params import InputError
from ..schema import CLOSE, CODE, DATE
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


def read_calibration(run_folder: Path) -> Calibration | None:
    """Read a run's calibration; None if its positions were not tested."""
    path = run_folder / CALIBRATIONS
    folds = parse_model(read_json(path), Calibrations, path).folds if path.exists() else ()
    return folds[-1] if folds else None


def plan_positions(
    forecasts: pl.DataFrame,
    dataset: pl.LazyFrame,
    calibration: Calibration,
    previous: pl.DataFrame,
    params: PositionParams,
) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Plan the positions after the newest day of the forecasts, from the ones planned before.

    ``previous`` is the table of an earlier day, whose trades count as filled and whose weights drift with prices, or
    that of the same day, whose held weights are used again; it is empty at the start. Weights are shares of
    ``positions.capital``. The table has a row for each stock that is held or traded.
    """
    if calibration.entry != params.entry:
        raise InputError(
            f"The run's positions were tested with positions.entry={calibration.entry}, and now it is {params.entry}: "
            f"{advise_run('--pipelines positions')} tests them again, or use the same entry."
        )
    newest = forecasts.filter(pl.col(DATE) == pl.col(DATE).max())
    day = newest[DATE][0]
    first = min(day, *previous[DATE]) if len(previous) else day
    arrays = read_price_arrays(dataset, (first, day), params.history, NO_DELISTINGS, 0.0)
    last = len(arrays.index.days) - 1
    dispersion = measure_dispersion(arrays.returns)
    expected = combine_horizons(standardise_forecasts(newest, arrays), calibration, dispersion, params.holding_days)
    market, held = MarketModels(arrays, params), drift_weights(previous, arrays)
    decision = OptimisedPolicy(arrays, expected, market, params)(last, held, params.capital)
    if not decision.is_solved:
        _logger.warning("the positions of %s cannot be computed within the limits: nothing is traded", day)
    values = params.capital * decision.orders
    costs = market(last)[1].charge_trades(decision.orders, params.capital)
    cost = params.capital * np.sum(list(costs.values()), axis=0)
    amounts = (values, values / arrays.close[last], expected[last], cost)
    columns = (arrays.close[last], held, held + decision.orders, decision.orders, *amounts)
    table = pl.DataFrame(
        {DATE: [day] * len(held), CODE: arrays.index.codes, **dict(zip(list(SCHEMA)[2:], columns, strict=True))}
    ).with_columns(pl.selectors.float().fill_nan(None))
    positions = table.filter((pl.col(HELD) != 0) | (pl.col(TRADE) != 0)).cast(SCHEMA).sort(WEIGHT, descending=True)
    return positions, _summarise(day, positions, {kind: float(cost.sum()) for kind, cost in costs.items()}, decision)


def drift_weights(previous: pl.DataFrame, arrays: PriceArrays) -> Floats:
    """Move the weights of an earlier table to the last day."""
    if previous.is_empty():
        return np.zeros(len(arrays.index.codes))
    days = arrays.index.days
    day, last = max(int((days <= previous[DATE][0]).sum()) - 1, 0), len(days) - 1
    rows = arrays.index.find(previous.with_columns(pl.lit(days[day]).alias(DATE)), "earlier positions")
    weights: Floats = np.nan_to_num(arrays.index.to_array(rows, HELD if day == last else WEIGHT)[day])
    values: Floats = weights * np.nan_to_num(arrays.marks[last] / arrays.marks[day], nan=1.0)
    return np.asarray(values / (1 + (values - weights).sum()))


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
