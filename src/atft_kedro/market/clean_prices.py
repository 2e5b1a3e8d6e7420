"""The contract of admitted prices; the catalog holds every saved table against it."""

import dataframely as dy
import polars as pl

from ..params import InputError


class CleanPrices(dy.Schema):
    """Admitted prices: one row per (date, code), every number finite and possible, unknown cells null."""

    date = dy.Date(primary_key=True)
    code = dy.String(primary_key=True)
    sector = dy.String(nullable=True)
    open = dy.Float64(nullable=True, min_exclusive=0.0)
    high = dy.Float64(nullable=True, min_exclusive=0.0)
    low = dy.Float64(nullable=True, min_exclusive=0.0)
    close = dy.Float64(nullable=False, min_exclusive=0.0)
    volume = dy.Float64(nullable=True, min=0.0)
    vwap = dy.Float64(nullable=True, min_exclusive=0.0)

    @dy.rule()
    def high_is_not_below_low(self) -> pl.Expr:
        """Hold a day's high to be at least its low, where both are known."""
        return pl.col("high").is_null() | pl.col("low").is_null() | (pl.col("high") >= pl.col("low"))


def require_clean_prices(table: pl.DataFrame) -> pl.DataFrame:
    """Hold a table against its contract before it is saved; the catalog calls this."""
    try:
        return CleanPrices.validate(table)
    except dy.exc.ValidationError as error:
        raise InputError(f"clean_prices breaks its contract: {error}") from error
