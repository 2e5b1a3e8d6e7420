"""First pass, along time: each stock's own features and targets, a batch of stocks at a time."""

from collections.abc import Iterator
from datetime import date
from typing import TypeVar

import polars as pl

from ..progress import track_progress
from ..schema import CODE, DATE, KEY, QUOTES, SECTOR
from .feature import unknown_unless_finite
from .market_days import MARKET_RETURN, market_days, read_moves
from .sets import FeatureParams
from .shared import SHARED
from .targets import target_expression

Key = TypeVar("Key", str, date)
CELL = 4  # bytes of a Float32
WORKING = 6  # times a result's size is held while it is computed and copied


def build_stock_features(prices: pl.LazyFrame, params: FeatureParams) -> Iterator[tuple[str, pl.DataFrame]]:
    """Yield ``(period, rows)``: every stock's features and targets, cut into periods of whole days.

    A period's rows over all stocks fit into ``params.memory_gb``, so that the second pass can hold one.
    """
    most = max(int(params.memory_gb * 1e9 / (WORKING * CELL * count_columns(params))), 1)
    batches = _cut(prices.group_by(CODE).len().sort(CODE).collect(), most // 2)
    periods = _cut(prices.group_by(DATE).len().sort(DATE).collect(), most // 2)
    market, sector = market_days(read_moves(_take(prices, codes)) for codes in batches)
    context = _with_features(market, params, "market"), _with_features(sector, params, "sector")
    for codes in track_progress(batches, "features, stocks"):
        rows = _compute(_take(prices, codes), market, params)
        rows = rows.join(context[0], on=DATE, how="left", maintain_order="left")
        rows = rows.join(context[1], on=[DATE, SECTOR], how="left", nulls_equal=True, maintain_order="left")
        rows = rows.with_columns(feature.narrow() for feature in params.features("row"))
        for days in periods:
            yield _name(days), rows.filter(pl.col(DATE).is_between(days[0], days[-1]))


def count_columns(params: FeatureParams) -> int:
    """Count the ML dataset's columns, in Float32s: features, targets, keys and quotes."""
    return len(params.features()) + len(params.horizons) + 14


def _compute(prices: pl.DataFrame, market: pl.DataFrame, params: FeatureParams) -> pl.DataFrame:
    """Compute every stock over its own rows alone."""
    expressions = [feature.narrow() for feature in params.features("stock")]
    expressions += [target_expression(horizon, params.entry_lag) for horizon in params.horizons]
    prices = prices.join(market.select(DATE, MARKET_RETURN), on=DATE, how="left", maintain_order="left")
    return (
        prices.lazy()
        .with_columns(expression.over(CODE).alias(name) for name, expression in SHARED.items())
        .select(*KEY, SECTOR, *QUOTES, *(expression.over(CODE) for expression in expressions))
        .with_columns(unknown_unless_finite())
        .collect(engine="streaming")
    )


def _with_features(days: pl.DataFrame, params: FeatureParams, sees: str) -> pl.DataFrame:
    """Compute the market's or the sectors' daily features, keyed by what they join on."""
    features = params.features(sees)  # type: ignore[arg-type]
    by = [DATE] if sees == "market" else [DATE, SECTOR]
    groups = [days] if sees == "market" else days.partition_by(SECTOR, maintain_order=True)
    computed = (group.select(*by, *(feature.narrow() for feature in features)) for group in groups)
    return pl.concat(computed).with_columns(unknown_unless_finite())


def _take(prices: pl.LazyFrame, codes: list[str]) -> pl.DataFrame:
    return prices.filter(_within(codes)).sort(CODE, DATE).collect()


def _within(codes: list[str]) -> pl.Expr:
    return pl.col(CODE).is_between(pl.lit(codes[0]), pl.lit(codes[-1]))


def _cut(counts: pl.DataFrame, most: int) -> list[list[Key]]:
    """Cut sorted keys into runs of at most ``most`` rows, or of one key where that alone has more."""
    runs: list[list[Key]] = []
    held = 0
    for key, rows in counts.iter_rows():
        if not runs or held + rows > most:
            runs.append([])
            held = 0
        runs[-1].append(key)
        held += rows
    return runs


def _name(days: list[Key]) -> str:
    return f"{days[0]}_{days[-1]}"
