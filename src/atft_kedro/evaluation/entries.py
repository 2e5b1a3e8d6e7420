"""Realised returns at two entries: the close of the forecast day, and the next close."""

from collections.abc import Mapping

import polars as pl

from ..schema import CLOSE, CODE, DATE, ENTRY_LAGS, VOLUME, Entry, target, target_columns

ReturnsByLag = Mapping[int, pl.DataFrame]  # realised returns by entry lag; the entry of the targets is first


def collect_returns(dataset: pl.LazyFrame, days: pl.Series, entry_lag: int) -> pl.DataFrame:
    """Read the realised returns at both entries from the first to the last day.

    ``target_{h}d`` is the target of the dataset, entered after ``entry_lag`` observations; ``same_close_{h}d`` and
    ``next_close_{h}d`` are the returns at the other entries. With an entry k observations later, the return is the
    target of the k-th next observation of the stock, so neither prices nor more targets are needed.
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
    """Name the column of the returns at an entry that the targets do not have."""
    return f"{entry}_{horizon}d"


def returns_by_lag(returns: pl.DataFrame, entry_lag: int) -> dict[int, pl.DataFrame]:
    """Split a table of `collect_returns` by entry lag; each result has columns ``target_{h}d``."""
    targets = target_columns(returns.schema)
    by_lag = {entry_lag: returns}
    for entry, lag in ENTRY_LAGS.items():
        columns = {entry_column(entry, horizon): target(horizon) for horizon in targets.values()}
        if columns.keys() <= set(returns.columns):
            by_lag[lag] = returns.drop(targets).rename(columns)
    return by_lag


def name_entry(entry_lag: int) -> str:
    """Return the name of an entry for tables and figures."""
    names = {lag: entry.replace("_", " ") for entry, lag in ENTRY_LAGS.items()}
    return names.get(entry_lag, f"{entry_lag} closes later")
