"""Positions where they are possible: they need the optimiser, and the prices that their parameters name."""

import logging
from importlib.util import find_spec

import polars as pl

from ..evaluation.position_score import POSITION_DAYS_SCHEMA, PositionResult
from ..params import InputError
from ..schema import CLOSE, CODE, DATE, HIGH, LOW, OPEN, VOLUME
from .expected_returns import Calibrations
from .plan import PositionParams
from .simulate import PositionTables, simulate_positions

OPTIMISER = "cvxpy"
WEIGHTS_SCHEMA = pl.Schema({DATE: pl.Date, CODE: pl.String, "weight": pl.Float64, "order": pl.Float64})

_logger = logging.getLogger(__name__)


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
