"""Which stocks of a day are forecast, decided by what was known at its close."""

import logging
from typing import Annotated

import polars as pl
from pydantic import Field

from ..params import InputError, Params
from ..schema import CLOSE, CODE, DATE, ELIGIBLE, VOLUME

PLACE, HISTORY, TRADED = "place", "history", "traded"

_logger = logging.getLogger(__name__)


class UniverseParams(Params):
    """What a stock must have on a day to be forecast; others only lend their history to later days.

    Traded value is the mean of close times volume over the stock's last ``traded_days`` observations. Of more
    than ``max_stocks_per_day`` the most traded are taken, among equals those with the longest history. Prices
    that were adjusted for splits know of later ones: a ``min_price`` on them is not quite what was known then.
    """

    min_history: Annotated[int, Field(gt=0)] = 20
    min_price: Annotated[float, Field(ge=0)] = 0.0
    min_traded_value: Annotated[float, Field(ge=0)] = 0.0
    traded_days: Annotated[int, Field(gt=0)] = 20
    max_stocks_per_day: Annotated[int, Field(gt=1)] | None = None


def select_universe(frame: pl.LazyFrame, params: UniverseParams) -> pl.DataFrame:
    """Say of every row of an ML dataset, in its order, whether the stock is forecast on that day."""
    schema = frame.collect_schema()
    _require_quotes(schema, params)
    quotes = [name for name in (CLOSE, VOLUME) if name in schema]
    rows = frame.select(DATE, CODE, *quotes).collect().with_row_index(PLACE).lazy()
    by_day = rows.sort(DATE, maintain_order=True).with_columns(_history(), _traded(schema, params))
    admitted = by_day.with_columns(_admits(schema, params).alias(ELIGIBLE))
    if params.max_stocks_per_day is not None:
        admitted = admitted.with_columns(_among_the_first(params.max_stocks_per_day).alias(ELIGIBLE))
    universe = admitted.sort(PLACE).select(DATE, CODE, ELIGIBLE).collect()
    if not universe[ELIGIBLE].any():
        raise InputError(f"No stock of any day meets `universe:` in conf/: {params!r}.")
    share = universe[ELIGIBLE].mean()
    _logger.info("universe: %.1f %% of %d observations are forecast", 100 * share, universe.height)  # type: ignore[operator]
    return universe


def _require_quotes(schema: pl.Schema, params: UniverseParams) -> None:
    needs = {
        "min_price": [CLOSE] if params.min_price else [],
        "min_traded_value": [CLOSE, VOLUME] if params.min_traded_value else [],
    }
    for rule, columns in needs.items():
        missing = [name for name in columns if name not in schema]
        if missing:
            raise InputError(f"universe.{rule} needs the columns {missing}, which the ML dataset does not carry.")


def _history() -> pl.Expr:
    return pl.int_range(1, pl.len() + 1).over(CODE).alias(HISTORY)


def _traded(schema: pl.Schema, params: UniverseParams) -> pl.Expr:
    if CLOSE not in schema or VOLUME not in schema:
        return pl.lit(None, dtype=pl.Float64).alias(TRADED)
    return traded_value().rolling_mean(params.traded_days, min_samples=1).over(CODE).alias(TRADED)


def traded_value() -> pl.Expr:
    """Multiply close and volume where both are known."""
    value = pl.col(CLOSE).cast(pl.Float64) * pl.col(VOLUME).cast(pl.Float64)
    return pl.when(value.is_finite()).then(value)


def _admits(schema: pl.Schema, params: UniverseParams) -> pl.Expr:
    rules = [pl.col(HISTORY) >= params.min_history]
    if params.min_price:
        rules.append((pl.col(CLOSE) >= params.min_price) & pl.col(CLOSE).is_not_nan())
    if params.min_traded_value:
        rules.append(pl.col(TRADED) >= params.min_traded_value)
    return pl.all_horizontal(rules).fill_null(value=False)


def _among_the_first(most: int) -> pl.Expr:
    """Keep the ``most`` candidates of each day that are traded most."""
    place = pl.struct(~pl.col(ELIGIBLE), -pl.col(TRADED).fill_null(-1.0), -pl.col(HISTORY), pl.col(CODE)).rank(
        "ordinal"
    )
    return pl.col(ELIGIBLE) & (place.over(DATE) <= most)
