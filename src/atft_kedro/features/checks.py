"""Checks that features neither use later prices nor depend on the scale of a stock's prices."""

from collections.abc import Iterable

import polars as pl

from ..params import InputError
from ..schema import CLOSE, CODE, DATE, HIGH, KEY, LOW, PRICES, QUOTES, SECTOR, VOLUME, VWAP
from .build import FeatureParams, build_ml_dataset

STOCKS = 30  # number of stocks of the sample: those with the longest histories
EXTRA_DAYS = 120  # of the sample, in addition to the longest lookback
PAST = 0.8  # share of the sample's days before the day after which prices are changed
FACTOR = 8.0  # of a stock's prices; its inverse is that of the volumes. A power of two causes no rounding
MAX_CHANGE = 1e-3  # mean change of a feature, in standard deviations; log(1 + volume) changes by about 1e-5


def find_feature_faults(prices: pl.LazyFrame, params: FeatureParams) -> dict[str, str]:
    """Find faults of plugged-in features: later prices, or a dependence on the price level.

    An adjusted price level knows the splits to come: after a split of 2 to 1 all earlier prices are halved.
    """
    own = {feature.name for feature in params.model_copy(update={"extra": ()}).features()}
    names = [feature.name for feature in params.features() if feature.name not in own]
    if not names:
        return {}
    sample = sample_prices(prices, max(feature.lookback for feature in params.features()) + EXTRA_DAYS, params.columns)
    try:
        return find_scale_dependence(sample, params, names) | find_look_ahead(sample, params, names)
    except pl.exceptions.PolarsError as error:
        raise InputError(f"The features of {', '.join(params.extra)} cannot be computed: {error}") from error


def sample_prices(prices: pl.LazyFrame, days: int, columns: Iterable[str] = ()) -> pl.DataFrame:
    """Read the newest days of the stocks with the longest histories.

    An unknown vwap is the typical price; a column that the prices lack is null.
    """
    last = prices.select(pl.col(DATE).unique().sort().tail(days)).collect()[DATE]
    recent = prices.filter(pl.col(DATE) >= last.min())
    longest = recent.group_by(CODE).len().sort(-pl.col("len").cast(pl.Int64), CODE).head(STOCKS).collect()[CODE]
    rows = recent.filter(pl.col(CODE).is_in(longest.implode())).collect()
    vwap = pl.mean_horizontal(HIGH, LOW, CLOSE)
    known = [pl.col(VWAP).fill_null(vwap)] if VWAP in rows.columns else [vwap.alias(VWAP)]
    known += [pl.col(name) if name in rows.columns else pl.lit(None, pl.Float64).alias(name) for name in columns]
    return rows.select(*KEY, SECTOR, *QUOTES, *known).sort(CODE, DATE)


def find_look_ahead(prices: pl.DataFrame, params: FeatureParams, names: list[str]) -> dict[str, str]:
    """Find features with past values that differ if later prices are changed.

    Those of every other stock are removed.
    """
    days = prices[DATE].unique().sort()
    today = days[int(PAST * len(days))]
    is_later, stock = pl.col(DATE) > today, pl.col(CODE).rank("dense")
    factor = pl.int_range(pl.len()) % 7 + 2.0  # another one on each of a stock's days
    columns = {name: pl.col(name) * (factor + index / 4) for index, name in enumerate((*QUOTES, VWAP, *params.columns))}
    changed = prices.with_columns(
        pl.when(is_later).then(value).otherwise(name).alias(name) for name, value in columns.items()
    )
    before, after = (
        _compute(rows, params, names).filter(~is_later)
        for rows in (prices, changed.filter(~is_later | (stock % 2 == 0)))
    )
    counts = {name: (before[name].ne_missing(after[name])).sum() for name in names}
    return {
        name: f"uses later prices: {count:,} values on or before {today} change with prices after it"
        for name, count in counts.items()
        if count
    }


def find_scale_dependence(prices: pl.DataFrame, params: FeatureParams, names: list[str]) -> dict[str, str]:
    """Find features that change with prices times a constant and volumes divided by it."""
    factor = pl.when(pl.col(CODE).rank("dense") % 2 == 0).then(FACTOR).otherwise(1 / FACTOR)
    scaled = prices.with_columns(pl.col(*PRICES, VWAP) * factor, pl.col(VOLUME) / factor)
    before, after = (_compute(rows, params, names) for rows in (prices, scaled))
    changes = {name: _compare(before[name].cast(pl.Float64), after[name].cast(pl.Float64)) for name in names}
    return {
        name: f"depends on the price level, which knows later splits: with a stock's prices times {FACTOR:g} and its "
        f"volumes divided by it, its values change by {change:.3g} standard deviations on average"
        for name, change in changes.items()
        if change > MAX_CHANGE
    }


def _compare(before: pl.Series, after: pl.Series) -> float:
    """Return the mean absolute change in standard deviations; infinity if other values are unknown."""
    if not before.is_null().equals(after.is_null()):
        return float("inf")
    change, deviation = (after - before).abs().mean(), before.std()
    assert isinstance(change, float | None)
    assert isinstance(deviation, float | None)
    return change / (deviation or 1.0) if change else 0.0


def _compute(prices: pl.DataFrame, params: FeatureParams, names: list[str]) -> pl.DataFrame:
    """Compute features of a sample, sorted by (date, code)."""
    params = params.model_copy(update={"horizons": (1,)})
    return pl.concat(build_ml_dataset(prices.lazy(), params)).select(*KEY, *names)
