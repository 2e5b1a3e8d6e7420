"""Small markets as price arrays."""

from datetime import date, timedelta

import numpy as np
import polars as pl

from atft_kedro.panel.index import DayStockIndex
from atft_kedro.positions.price_arrays import Floats, PriceArrays


def make_arrays(close: Floats, opening: Floats | None = None, **changes: Floats) -> PriceArrays:
    """Make arrays from closes (day, stock), NaN where a stock has no row; its last row is followed by a delisting."""
    days, stocks = close.shape
    index = DayStockIndex(
        pl.Series("date", [date(2024, 1, 1) + timedelta(day) for day in range(days)]),
        pl.Series("code", [f"S{stock:03d}" for stock in range(stocks)]),
    )
    rows = np.isfinite(close)
    return PriceArrays(
        index=index,
        open=close if opening is None else opening,
        high=changes.get("high", close),
        low=changes.get("low", close),
        close=close,
        traded_value=changes.get("traded_value", np.where(rows, 1e6, np.nan)),
        sector=changes.get("sector", np.arange(stocks) % 3),
        terminal_day=np.where(rows.any(0), days - np.argmax(rows[::-1], axis=0), days),
        terminal_return=changes.get("terminal_return", np.zeros(stocks)),
        is_in_delistings=np.arange(stocks) == 0,
    )


def draw_arrays(days: int, stocks: int, seed: int = 1, *, has_gaps: bool = True) -> PriceArrays:
    """Draw a market with a late listing, suspensions, missing opens, and a delisting of −100 % on day 30."""
    rng = np.random.default_rng(seed)
    close = 20 * np.exp(np.cumsum(0.02 * rng.normal(size=(days, stocks)), axis=0))
    opening = close * np.exp(0.01 * rng.normal(size=close.shape))
    if has_gaps:
        gaps = rng.uniform(size=close.shape) < 0.1
        gaps[-1], gaps[:5, 0], gaps[30:, 1] = False, True, True
        close[gaps] = np.nan
        opening[gaps | (rng.uniform(size=close.shape) < 0.1)] = np.nan
    return make_arrays(close, opening, terminal_return=np.where(np.arange(stocks) == 1, -1.0, -0.3))
