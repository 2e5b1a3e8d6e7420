"""The targets: the only file that looks ahead."""

import polars as pl

from ..schema import CLOSE, target


def target_expression(horizon: int, entry_lag: int) -> pl.Expr:
    """Take the return from ``entry_lag`` observations ahead over ``horizon`` more; null where unknown.

    Runs over one stock's own observations, in the order of their dates.
    """
    entry = pl.col(CLOSE).shift(-entry_lag)
    leave = pl.col(CLOSE).shift(-entry_lag - horizon)
    return (leave / entry - 1).cast(pl.Float32).alias(target(horizon))
