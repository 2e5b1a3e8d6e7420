"""Positions of the newest day: weights, trades and their expected costs."""

import logging
from datetime import date
from typing import Any

import numpy as np
import polars as pl

from ..advice import advise_run
from ..files import parse_model, read_json
from ..params import InputError, list_names
from ..schema import CLOSE, CODE, DATE
from ..training.run_status import read_training
from ..training.runs import Runs
from .expected_returns import Calibration, Calibrations, combine_horizons, standardise_forecasts
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
    """Plan the positions after the newest day of the forecasts; return their summary too.

    ``previous`` is the plan of an earlier day, whose trades count as filled and whose weights drift with prices, or of
    the same day, whose held weights are used again; it is empty at the start. Weights are shares of the capital.
    """
    day = forecasts[DATE].sort()[-1]
    _require_continuation(calibration, previous, day, params)
    first, known = previous[DATE][0] if len(previous) else day, delistings.filter(pl.col(DATE) <= day)
    arrays = read_price_arrays(dataset, (first, day), params.history, known, 0.0, previous[CODE].to_list())
    scores = standardise_forecasts(forecasts.filter(date=day), arrays)
    expected = combine_horizons(scores, calibration, arrays, params.holding_days)
    last, close = len(arrays.index.days) - 1, arrays.close[-1]
    held, market = drift_weights(previous, first, arrays), MarketModels(arrays, params)
    decision = OptimisedPolicy(arrays, expected, market, params)(last, held, params.capital)
    if not decision.is_solved:
        _logger.warning("the positions of %s cannot be computed within the limits: nothing is traded", day)
    orders = np.where(np.isfinite(close), decision.orders, 0.0)
    costs = market(last)[1].charge(orders, params.capital)
    cost, values = params.capital * np.sum(list(costs.values()), axis=0), params.capital * orders
    columns = (close, held, held + orders, orders, values, values / close, expected[last], cost)
    table = {DATE: [day] * len(held), CODE: arrays.index.codes, **dict(zip(list(SCHEMA)[2:], columns, strict=True))}
    positions = pl.DataFrame(table, schema=SCHEMA).with_columns(pl.selectors.float().fill_nan(None))
    positions = positions.filter((pl.col(HELD) != 0) | (pl.col(TRADE) != 0)).sort(WEIGHT, descending=True)
    return positions, {
        "positions_from": str(day),
        "stocks": int((positions[WEIGHT] != 0).sum()),
        "gross_exposure": float(positions[WEIGHT].abs().sum()),
        "net_exposure": float(positions[WEIGHT].sum()),
        "turnover": float(positions[TRADE].abs().sum()),
        "expected_cost": {kind: float(cost.sum()) for kind, cost in costs.items()},  # shares of the capital
        "is_solved": decision.is_solved,
    }


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


def drift_weights(previous: pl.DataFrame, first: date, arrays: PriceArrays) -> Floats:
    """Move the weights (stock,) of a table of the ``first`` day to the last day.

    A stock in the table of delistings earns its last return, and its position becomes cash. Another stock without a
    price on the last day may only be suspended: it keeps its last known price.
    """
    days, codes = arrays.index.days, arrays.index.codes.to_frame(CODE)
    stocks = codes.join(previous, on=CODE, how="left", maintain_order="left")
    start = stocks[HELD if first == days[-1] else WEIGHT].fill_null(0.0).to_numpy()
    growth = arrays.marks[-1] / arrays.marks[int((days <= first).sum()) - 1]
    values = start * np.where(np.isfinite(growth), growth, 1.0)
    is_paid = arrays.is_in_delistings & (arrays.terminal_day < len(days))
    values = np.where(is_paid, values * (1 + arrays.terminal_return), values)
    equity = 1 + float((values - start).sum())
    if equity <= 0:
        raise InputError(
            f"The positions planned on {first} have lost all their capital by {days[-1]}: delete positions.parquet to "
            "start without positions, with a smaller positions.limits.gross."
        )
    held = np.where(is_paid, 0.0, values) / equity
    if len(stuck := arrays.index.codes.filter(pl.Series((held != 0) & ~np.isfinite(arrays.close[-1])))):
        _logger.warning(
            "%d held stock(s) have no price on %s and are not traded (a delisted one needs a row in the table of "
            "delistings): %s",
            len(stuck),
            days[-1],
            list_names(stuck),
        )
    return held
