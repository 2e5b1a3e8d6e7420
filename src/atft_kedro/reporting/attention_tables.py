"""What a network looks at, as tables."""

from collections.abc import Sequence

import numpy as np
import polars as pl
import torch
from torch import Tensor

from ..training.attention_stats import AttentionStats


def tabulate_by_day(days: np.ndarray, weights: Sequence[Tensor], axis: str, names: Sequence[object]) -> pl.DataFrame:
    """Lay weights (day, name), block after block, out as rows of date, name and weight; none where nobody looked."""
    columns = {"date": np.repeat(days, len(names)), axis: list(names) * len(days)}
    table = pl.DataFrame(columns).with_columns(pl.col("date").cast(pl.Date))
    if not weights:
        return table.clear().with_columns(pl.lit(None, pl.Float32).alias("weight"))
    return table.with_columns(pl.Series("weight", torch.cat(list(weights)).flatten().numpy()))


def tabulate_lags(stats: AttentionStats) -> pl.DataFrame:
    """Average each layer's attention over the blocks: rows of layer, head, lag and weight."""
    rows = [
        {"layer": layer, "head": head, "lag": lag, "weight": weight}
        for layer, blocks in stats.lags.items()
        for head, by_lag in enumerate(torch.stack(blocks).mean(0).tolist())
        for lag, weight in enumerate(by_lag)
    ]
    return pl.DataFrame(rows)


def tabulate_frequencies(stats: AttentionStats, window: int) -> pl.DataFrame:
    """Average over the blocks how often each frequency is taken: rows of channel, period in steps and share."""
    schema = {"channel": pl.Int64, "frequency": pl.Int64, "period": pl.Float64, "share": pl.Float64}
    shares = torch.stack(stats.frequencies).mean(0).tolist() if stats.frequencies else []
    rows = [
        {
            "channel": channel,
            "frequency": frequency,
            "period": window / frequency if frequency else None,
            "share": share,
        }
        for channel, by_frequency in enumerate(shares)
        for frequency, share in enumerate(by_frequency)
    ]
    return pl.DataFrame(rows, schema=schema)
