"""What several features share about a stock's own history, computed once before any of them."""

import polars as pl

from .market_days import MARKET_RETURN

ROW = "row"  # a stock's own count of observations from 0
_close, _volume = pl.col("close"), pl.col("volume")
_before = _close.shift(1)
_return = _close / _before - 1

SHARED: dict[str, pl.Expr] = {
    ROW: pl.int_range(pl.len(), dtype=pl.Int64),
    "before": _before,
    "return": _return,
    "residual": _return - pl.col(MARKET_RETURN),
    "rise": _close - _before,
    "volume_rise": _volume - _volume.shift(1),
    "log_volume": (_volume + 1).log(),
    "log_volume_ratio": (_volume / _volume.shift(1) + 1).log(),
    "traded": _close * _volume,
    "weighted_move": _return.abs() * _volume,
    "timed_close": pl.int_range(pl.len()).cast(pl.Float64) * _close,
    "rose": (_close > _before).fill_null(False).cast(pl.Float64),
    "fell": (_close < _before).fill_null(False).cast(pl.Float64),
}
