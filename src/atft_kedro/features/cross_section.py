"""Second pass, across stocks: each day's ranks and differences, a period of days at a time."""

from collections.abc import Iterator

import polars as pl

from ..progress import tracked
from ..schema import DATE, KEY, QUOTES, SECTOR, target
from .sets import FeatureParams


def build_ml_dataset(periods: list[pl.LazyFrame], params: FeatureParams) -> Iterator[pl.DataFrame]:
    """Yield the ML dataset period by period, sorted by (date, code): keys, raw quotes, features, targets.

    Periods come in the order of their days and their rows in the order of their codes.
    """
    columns = [
        *KEY,
        SECTOR,
        *QUOTES,
        *(feature.name for feature in params.features()),
        *(target(horizon) for horizon in sorted(params.horizons)),
    ]
    day = [feature.narrow().over(DATE) for feature in params.features("day")]
    for period in tracked(periods, "features, days", len(periods)):
        yield period.sort(DATE, maintain_order=True).with_columns(day).select(columns).collect()
