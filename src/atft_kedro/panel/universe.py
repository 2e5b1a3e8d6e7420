"""Universe: the stocks to forecast on each day, selected from data known at its close."""

import logging
from typing import Annotated

import polars as pl
from pydantic import Field

from ..params import InputError, Params
from ..schema import CLOSE, CODE, DATE, ELIGIBLE, VOLUME

ROW, HISTORY, TRADED = "row", "history", "traded"

_logger = logging.getLogger(__name__)


class UniverseParams(Params):
    """Conditions for a stock to be forecast on a day; other rows are only history of later days.

    Traded value is the mean of close times volume over the stock's last ``traded_days`` observations. If more than
    ``max_stocks_per_day`` meet the conditions, those with the highest traded value are selected, and of stocks with
    the same value those with the longest history. Split-adjusted prices depend on later splits, so a ``min_price`` on
    them uses some future information.
    """

    min_history: Annotated[int, Field(gt=0)]
    min_price: Annotated[float, Field(ge=0)]
    min_traded_value: Annotated[float, Field(ge=0)]
    traded_days: Annotated[int, Field(gt=0)]
    max_stocks_per_day: Annotated[int, Field(gt=1)] | None


def select_universe(frame: pl.LazyFrame, params: UniverseParams) -> pl.DataFrame:
    """Mark the rows of an ML dataset that are forecast; keep their order."""
    schema = frame.collect_schema()
    _require_quotes(schema, params)
    if params.min_price:
        _logger.warning(
            "universe.min_price compares closes: if they are adjusted for splits, it selects by later splits"
        )
    quotes = [name for name in (CLOSE, VOLUME) if name in schema]
    rows = frame.select(DATE, CODE, *quotes).collect().with_row_index(ROW).lazy()
    history = pl.int_range(1, pl.len() + 1).over(CODE).alias(HISTORY)
    by_day = rows.sort(DATE, maintain_order=True).with_columns(history, _mean_traded_value(schema, params))
    selected = by_day.with_columns(_meets_minimums(params).alias(ELIGIBLE))
    if params.max_stocks_per_day is not None:
        selected = selected.with_columns(_is_most_traded(params.max_stocks_per_day).alias(ELIGIBLE))
    universe = selected.sort(ROW).select(DATE, CODE, ELIGIBLE).collect()
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
            raise InputError(f"universe.{rule} needs the columns {missing}, which the ML dataset does not have.")


def _mean_traded_value(schema: pl.Schema, params: UniverseParams) -> pl.Expr:
    if CLOSE not in schema or VOLUME not in schema:
        return pl.lit(None, dtype=pl.Float64).alias(TRADED)
    return traded_value().rolling_mean(params.traded_days, min_samples=1).over(CODE).alias(TRADED)


def traded_value() -> pl.Expr:
    """Multiply close and volume; null where either is unknown."""
    value = pl.col(CLOSE).cast(pl.Float64) * pl.col(VOLUME).cast(pl.Float64)
    return pl.when(value.is_finite()).then(value)


def _meets_minimums(params: UniverseParams) -> pl.Expr:
    rules = [pl.col(HISTORY) >= params.min_history]
    if params.min_price:
        rules.append((pl.col(CLOSE) >= params.min_price) & pl.col(CLOSE).is_not_nan())
    if params.min_traded_value:
        rules.append(pl.col(TRADED) >= params.min_traded_value)
    return pl.all_horizontal(rules).fill_null(value=False)


def _is_most_traded(count: int) -> pl.Expr:
    """Mark the ``count`` eligible stocks of each day with the highest traded value."""
    order = pl.struct(~pl.col(ELIGIBLE), -pl.col(TRADED).fill_null(-1.0), -pl.col(HISTORY), pl.col(CODE))
    return pl.col(ELIGIBLE) & (order.rank("ordinal").over(DATE) <= count)
