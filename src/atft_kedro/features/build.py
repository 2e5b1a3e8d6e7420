"""ML dataset computed from prices in two passes: along each stock, then across each day."""

from collections.abc import Iterator
from datetime import date
from typing import Annotated, Any, Literal, TypeVar

import polars as pl
from pydantic import Field

from ..params import Params, TextList, Unique
from ..progress import track_progress
from ..schema import CLOSE, CODE, DATE, DELISTING_DATE, DELISTING_RETURN, KEY, QUOTES, SECTOR, Horizons, target
from .alpha158 import ALPHA158
from .daily import CORE
from .extra import ColumnFeature, ColumnName, add_extra_features
from .feature import SHARED, Feature, Scope, describe_columns, null_unless_finite
from .market_summary import MARKET_RETURN, compute_returns, summarise_market
from .period_store import PeriodStore
from .wide import WIDE

FEATURE_SETS: dict[str, list[Feature]] = {"core": CORE, "alpha158": ALPHA158, "wide": WIDE}
CELL_BYTES = 4  # size of a Float32
COPIES = 6  # copies of a table that are in memory while it is computed
FINAL_VALUE = "final_value"  # of a delisted stock: what its owner received, per unit of money at its last close
FINAL_CLOSE = pl.col(CLOSE).last() * pl.col(FINAL_VALUE)

Key = TypeVar("Key", str, date)


class FeatureParams(Params):
    """Features and targets of an ML dataset, and the memory for computing it.

    The features of further ``columns`` and those of ``extra``, the names of plugged-in lists, are added to the set.
    """

    set: Literal["core", "alpha158", "wide"]
    extra: Annotated[tuple[str, ...], TextList, Unique] = ()  # older model cards lack it
    columns: dict[ColumnName, ColumnFeature] = Field(default_factory=dict)
    horizons: Horizons
    entry_lag: Annotated[int, Field(ge=0)]
    memory_gb: Annotated[float, Field(gt=0)]

    def features(self, scope: Scope | None = None) -> list[Feature]:
        """List the features of the set, of all scopes or of one."""
        features = add_extra_features(FEATURE_SETS[self.set], self.columns, self.extra)
        return [feature for feature in features if scope in (None, feature.scope)]

    def describe(self) -> dict[str, Any]:
        """Build the feature catalogue of a dataset with these features."""
        features = self.features()
        return describe_columns([feature.name for feature in features], features)

    @property
    def row_bytes(self) -> int:
        """Compute the size of a row: features, targets, keys and quotes."""
        return CELL_BYTES * (len(self.features()) + len(self.horizons) + 14)


def build_ml_dataset(
    prices: pl.LazyFrame, params: FeatureParams, delistings: pl.DataFrame | None = None
) -> Iterator[pl.DataFrame]:
    """Yield the ML dataset, one period of days after the other, sorted by (date, code).

    With ``delistings`` (date, code, return), the targets that end after the last observation of a delisted stock are
    known, and their rows have its delisting date.

    Between the passes the features are kept in memory if they fit into three quarters of ``params.memory_gb``, else
    on disk.
    """
    size = prices.select(pl.len()).collect().item() * params.row_bytes
    if delistings is not None and not delistings.is_empty():
        value = (1 + pl.col(DELISTING_RETURN)).alias(FINAL_VALUE)
        delisted = delistings.lazy().select(CODE, pl.col(DATE).alias(DELISTING_DATE), value)
        prices = prices.join(delisted, on=CODE, how="left")
    with PeriodStore(in_memory=size < 0.75e9 * params.memory_gb) as store:
        for period, rows in build_stock_features(prices, params):
            store.put(period, rows)
        for period in track_progress(store.periods(), "features, days"):
            yield _add_day_features(store.pop(period), params)


def _add_day_features(rows: pl.LazyFrame, params: FeatureParams) -> pl.DataFrame:
    """Add the features of scope ``day``; sort rows and columns."""
    day_features = [feature.as_float32().over(DATE) for feature in params.features("day")]
    features = [feature.name for feature in params.features()]
    targets = [target(horizon) for horizon in sorted(params.horizons)]
    targets += [DELISTING_DATE] if DELISTING_DATE in rows.collect_schema() else []
    by_day = rows.sort(DATE, maintain_order=True)  # the codes are already sorted
    return by_day.with_columns(day_features).select(*KEY, SECTOR, *QUOTES, *features, *targets).collect()


def build_stock_features(prices: pl.LazyFrame, params: FeatureParams) -> Iterator[tuple[str, pl.DataFrame]]:
    """Yield ``(period, rows)``: the first pass, for one batch of stocks after the other.

    A period is so short that its rows of all stocks fit into ``params.memory_gb`` in the second pass. ``day`` features
    are missing.
    """
    max_rows = max(int(params.memory_gb * 1e9 / (COPIES * params.row_bytes)), 1) // 2
    batches = _group_keys(prices.group_by(CODE).len().sort(CODE).collect(), max_rows)
    periods = _group_keys(prices.group_by(DATE).len().sort(DATE).collect(), max_rows)
    market, sectors = summarise_market(compute_returns(_select_stocks(prices, codes)) for codes in batches)
    market_features = _compute_daily([market], [DATE], params.features("market"))
    by_sector = sectors.partition_by(SECTOR, maintain_order=True)
    sector_features = _compute_daily(by_sector, [DATE, SECTOR], params.features("sector"))
    for codes in track_progress(batches, "features, stocks"):
        rows = _compute_stocks(_select_stocks(prices, codes), market, params)
        rows = rows.join(market_features, on=DATE, how="left", maintain_order="left")
        rows = rows.join(sector_features, on=[DATE, SECTOR], how="left", nulls_equal=True, maintain_order="left")
        rows = rows.with_columns(feature.as_float32() for feature in params.features("row"))
        for days in periods:
            yield f"{days[0]}_{days[-1]}", rows.filter(pl.col(DATE).is_between(days[0], days[-1]))


def _compute_stocks(prices: pl.DataFrame, market: pl.DataFrame, params: FeatureParams) -> pl.DataFrame:
    """Compute features and targets along each stock's own rows."""
    expressions = [feature.as_float32() for feature in params.features("stock")]
    final = [FINAL_CLOSE] if DELISTING_DATE in prices.columns else []
    expressions += [target_expression(horizon, params.entry_lag, *final) for horizon in params.horizons]
    if final:
        is_completed = pl.col(CLOSE).shift(-params.entry_lag - max(params.horizons)).is_null()
        expressions.append(pl.when(is_completed).then(DELISTING_DATE).alias(DELISTING_DATE))
    prices = prices.join(market.select(DATE, MARKET_RETURN), on=DATE, how="left", maintain_order="left")
    columns = [pl.col(name).cast(pl.Float32) for name in params.columns]
    return (
        prices.lazy()
        .with_columns(expression.over(CODE).alias(name) for name, expression in SHARED.items())
        .select(*KEY, SECTOR, *QUOTES, *columns, *(expression.over(CODE) for expression in expressions))
        .with_columns(null_unless_finite())
        .collect(engine="streaming")
    )


def target_expression(horizon: int, entry_lag: int, *final: pl.Expr) -> pl.Expr:
    """Compute the return over ``horizon`` observations, ``entry_lag`` observations ahead.

    It is computed over one stock's observations, sorted by date, and is null if unknown. Only targets look ahead. After
    the last observation, the exit is at the ``final`` close, if there is one.
    """
    entry = pl.col(CLOSE).shift(-entry_lag)
    exit_ = pl.coalesce(pl.col(CLOSE).shift(-entry_lag - horizon), *final)
    return (exit_ / entry - 1).cast(pl.Float32).alias(target(horizon))


def _compute_daily(histories: list[pl.DataFrame], keys: list[str], features: list[Feature]) -> pl.DataFrame:
    """Compute the features of the market's or each sector's daily history."""
    computed = (history.select(*keys, *(feature.as_float32() for feature in features)) for history in histories)
    return pl.concat(computed).with_columns(null_unless_finite())


def _select_stocks(prices: pl.LazyFrame, codes: list[str]) -> pl.DataFrame:
    is_selected = pl.col(CODE).is_between(pl.lit(codes[0]), pl.lit(codes[-1]))
    return prices.filter(is_selected).sort(CODE, DATE).collect()


def _group_keys(counts: pl.DataFrame, max_rows: int) -> list[list[Key]]:
    """Group consecutive keys with at most ``max_rows`` rows, or a single key with more."""
    groups: list[list[Key]] = []
    rows_in_group = 0
    for key, rows in counts.iter_rows():
        if not groups or rows_in_group + rows > max_rows:
            groups.append([])
            rows_in_group = 0
        groups[-1].append(key)
        rows_in_group += rows
    return groups
