"""Returns from two entries: the close that a forecast is made from, and the next close."""

from collections.abc import Mapping

import polars as pl

from ..schema import CLOSE, CODE, DATE, ENTRY_LAGS, VOLUME, Entry, target, target_columns

ReturnsByLag = Mapping[int, pl.DataFrame]  # realised returns by the lag of their entry, those of the targets first


def collect_returns(dataset: pl.LazyFrame, days: pl.Series, entry_lag: int) -> pl.DataFrame:
    """Read the realised returns from the first to the last of ``days``: a row for each date and code.

    ``target_{h}d`` is the dataset's own, entered after ``entry_lag`` observations; ``same_close_{h}d`` and
    ``next_close_{h}d`` are those of the other entries. Entered k observations later, the return over h is the target
    of the stock's k-th next observation, so neither prices nor further targets are needed.
    """
    schema = dataset.collect_schema()
    targets = target_columns(schema)
    others = [
        pl.col(name).shift(entry_lag - lag).over(CODE, order_by=DATE).alias(entry_column(entry, horizon))
        for entry, lag in ENTRY_LAGS.items()
        for name, horizon in targets.items()
        if lag != entry_lag
    ]
    quotes = sorted({CLOSE, VOLUME} & schema.keys())
    rows = dataset.select(DATE, CODE, *targets, *quotes).with_columns(others)
    return rows.filter(pl.col(DATE).is_between(days.min(), days.max())).collect()


def entry_column(entry: Entry, horizon: int) -> str:
    """Name the column of the return over ``horizon`` observations from an entry that is not the targets' own."""
    return f"{entry}_{horizon}d"


def returns_at(returns: pl.DataFrame, entry: Entry) -> pl.DataFrame:
    """Replace the targets by the returns from another entry."""
    targets = target_columns(returns.schema)
    swapped = {entry_column(entry, horizon): target(horizon) for horizon in targets.values()}
    return returns.drop(targets).rename(swapped)


def returns_by_lag(returns: pl.DataFrame, entry_lag: int) -> dict[int, pl.DataFrame]:
    """List the returns of each entry by its lag, the targets' own (at ``entry_lag``) first."""
    found = {entry_lag: returns}
    for entry, lag in ENTRY_LAGS.items():
        if all(entry_column(entry, horizon) in returns.columns for horizon in target_columns(returns.schema).values()):
            found[lag] = returns_at(returns, entry)
    return found


def name_entry(entry_lag: int) -> str:
    """Name an entry for a table."""
    names = {lag: entry.replace("_", " ") for entry, lag in ENTRY_LAGS.items()}
    return names.get(entry_lag, f"{entry_lag} closes later")
