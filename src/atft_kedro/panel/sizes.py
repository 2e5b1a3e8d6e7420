"""Number of days and stocks of each split, and how many its scores need."""

from typing import Annotated, Self

import numpy as np
from pydantic import Field, model_validator

from ..params import Params

Count = Annotated[int, Field(gt=0)]
EFFECTS = {  # what is wrong with a split below its recommended size
    "train": "which is little data to learn from",
    "validation": "too little to choose an epoch or to measure the effect of a phase",
    "test": "too little to distinguish small scores from chance",
}


class SizeParams(Params):
    """Minimum and recommended days and stocks per day of each split.

    Below a minimum the scores are undefined and the split is refused: one day has no standard error, and a
    correlation needs three stocks. Below the recommended sizes there is a warning. 60 days are three non-overlapping
    spans of the longest horizon (20 days), and a decile of 50 stocks has five; with so many days and stocks a mean
    rank IC has a standard error of at least 0.02. For training a year of days is recommended.
    """

    minimum_days: Count
    recommended_days: Count
    recommended_train_days: Count
    minimum_stocks: Annotated[int, Field(ge=3)]
    recommended_stocks: Count

    @model_validator(mode="after")
    def _recommends_at_least_the_minimum(self) -> Self:
        if min(self.recommended_days, self.recommended_train_days) < self.minimum_days:
            raise ValueError(f"recommended days are fewer than minimum_days {self.minimum_days}")
        if self.recommended_stocks < self.minimum_stocks:
            raise ValueError(f"recommended_stocks are fewer than minimum_stocks {self.minimum_stocks}")
        return self

    def recommend(self, split: str) -> "SplitSize":
        """Return the recommended size of a split."""
        days = self.recommended_train_days if split == "train" else self.recommended_days
        return SplitSize(days=days, stocks=self.recommended_stocks)


class SplitSize(Params):
    """Number of days of a split, and of stocks that are forecast on its median day."""

    days: int
    stocks: int

    @property
    def error(self) -> float:
        """Compute the standard error of the mean rank IC of random forecasts on independent days."""
        return 1 / float(np.sqrt(max(self.stocks - 1, 1) * self.days))

    def describe_shortage(self, split: str, sizes: SizeParams) -> str | None:
        """Describe a size below the recommended one and its effect; None if there is no shortage."""
        recommended = sizes.recommend(split)
        short = [f"{self.days} days (recommended: {recommended.days})"] if self.days < recommended.days else []
        if self.stocks < recommended.stocks:
            short.append(f"{self.stocks} stocks a day (recommended: {recommended.stocks})")
        if not short:
            return None
        effect = f", {EFFECTS[split]}" if self.error > recommended.error else ""
        return f"{split}: {' and '.join(short)}; a mean rank IC has a standard error of ± {self.error:.3f}{effect}"
