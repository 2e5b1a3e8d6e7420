"""Positions where they are possible: they need prices, the optimiser and one forecast per stock and day."""

import logging
from importlib.util import find_spec

import polars as pl

from ..evaluation.position_score import POSITION_DAYS_SCHEMA, PositionResult
from ..params import InputError
from ..schema import CLOSE, CODE, DATE, HIGH, LOW, OPEN, SPLIT, VOLUME
from .expected_returns import Calibrations
from .plan import PositionParams
from .simulate import simulate_positions

OPTIMISER = "cvxpy"
WEIGHTS_SCHEMA = pl.Schema({DATE: pl.Date, CODE: pl.String, "weight": pl.Float64, "order": pl.Float64})
PositionTables = tuple[pl.DataFrame, pl.DataFrame, Calibrations, PositionResult]

_logger = logging.getLogger(__name__)


def simulate_if_possible(
    forecasts: pl.DataFrame,
    dataset: pl.LazyFrame,
    delistings: pl.DataFrame,
    params: PositionParams,
    fold: str | None = None,
) -> PositionTables:
    """Return the days, the weights, the calibrations and the score of the positions.

    Where positions are not possible, the reason is logged, the tables are empty and there is no score: the other
    scores of a run do not depend on them.
    """
    reason = find_obstacle(forecasts, dataset, params, fold)
    if reason is None:
        try:
            result = simulate_positions(forecasts, dataset, delistings, params, fold)
        except InputError as error:
            reason = str(error)
        else:
            return result.daily, result.weights, result.calibrations, PositionResult(score=result.score)
    _logger.warning("No positions: %s", reason)
    days, weights = (pl.DataFrame(schema=schema) for schema in (POSITION_DAYS_SCHEMA, WEIGHTS_SCHEMA))
    return days, weights, Calibrations(folds=()), PositionResult()


def find_obstacle(
    forecasts: pl.DataFrame, dataset: pl.LazyFrame, params: PositionParams, fold: str | None = None
) -> str | None:
    """Return the reason why positions are not possible, and what changes it; else None."""
    if not params.enabled:
        return "positions.enabled is false."
    if find_spec(OPTIMISER) is None:
        return f"{OPTIMISER} is not installed. Install it with: pip install 'atft-kedro[positions]'"
    for column, reason in list_needed_columns(params).items():
        if column not in dataset.collect_schema():
            return f"the ML dataset has no column {column!r}, which {reason}."
    if fold and forecasts.filter(pl.col(SPLIT) == "test").select(DATE, fold).unique()[DATE].is_duplicated().any():
        return "several folds test the same day."
    return None


def list_needed_columns(params: PositionParams) -> dict[str, str]:
    """Map each column that positions need to what needs it, and what to set where it is missing."""
    costs, named = params.costs, "Name it under `columns:` in conf/"
    needed = {CLOSE: f"values the positions. {named}"}
    if params.entry == "next_open":
        needed[OPEN] = f"positions.entry=next_open needs. {named}, or set positions.entry=next_close"
    if costs.flat_bp is None and costs.half_spread_bp is None:
        spread = f"the estimate of spreads needs. {named}, or set positions.costs.half_spread_bp to numbers"
        needed |= dict.fromkeys((HIGH, LOW), spread)
    if costs.flat_bp is None and costs.impact > 0:
        flat = "set positions.costs.impact=0 or positions.costs.flat_bp to a number"
        needed[VOLUME] = f"the impact of trades needs. {named}, or {flat}"
    return needed
