"""What luck alone gives in the columns of published tables."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from ..evaluation.published import ANNUAL_FACTOR, PublishedScore, score_as_published
from ..schema import DATE, FORECAST, REALISED

DRAWS, SEED = 50, 7


@dataclass(frozen=True)
class Luck:
    """Random forecasts' columns, and what holding every stock earns."""

    drawn: Sequence[PublishedScore]
    everything: float  # SR of the mean of all stocks

    def spread(self, column: str) -> tuple[float, float]:
        """Average a column over the draws, and say how far they lie apart."""
        values = [value for each in self.drawn if (value := getattr(each, column)) is not None]
        return float(np.mean(values)), float(np.std(values, ddof=1))


def try_luck(came: pl.DataFrame) -> Luck:
    """Forecast by chance what came (date, code, target)."""
    random = np.random.default_rng(SEED)
    drawn = [came.with_columns(pl.Series(FORECAST, random.normal(size=len(came)))) for _ in range(DRAWS)]
    mean = came.drop_nulls(REALISED).group_by(DATE).agg(pl.col(REALISED).mean())[REALISED]
    return Luck([score_as_published(each) for each in drawn], float(mean.mean() / mean.std(ddof=0)) * ANNUAL_FACTOR)  # type: ignore[operator,arg-type]
