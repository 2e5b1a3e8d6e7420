"""How many days and stocks each part of a split has, and how many its scores need."""

from typing import Annotated, Self

import numpy as np
from pydantic import Field, model_validator

from ..params import Params

Count = Annotated[int, Field(gt=0)]
EFFECTS = {
    "train": "there is little to learn from",
    "validation": "too little to choose an epoch by, or to say what a phase adds",
    "test": "too little to distinguish small scores from chance",
}


class SizeParams(Params):
    """How many days, and how many stocks on a day, each part needs.

    Below a minimum the scores are undefined, and the split is refused: one day has no standard error, and a
    correlation needs three stocks. Below what is recommended there is a warning: 60 days are three spans of the longest
    horizon, 20 days, that share no return, and of 50 stocks a tenth is five; a mean rank IC over so many is known to
    0.02 at best. To learn from, a year of days is recommended.
    """

    minimum_days: Count = 2
    recommended_days: Count = 60
    recommended_train_days: Count = 250
    minimum_stocks: Annotated[int, Field(ge=3)] = 3
    recommended_stocks: Count = 50

    def recommend(self, part: str) -> "SplitSize":
        """Name the size that is recommended for a part."""
        days = self.recommended_train_days if part == "train" else self.recommended_days
        return SplitSize(days=days, stocks=self.recommended_stocks)

    @model_validator(mode="after")
    def _recommends_no_less_than_the_minimum(self) -> Self:
        if min(self.recommended_days, self.recommended_train_days) < self.minimum_days:
            raise ValueError(f"recommended days are fewer than minimum_days {self.minimum_days}")
        if self.recommended_stocks < self.minimum_stocks:
            raise ValueError(f"recommended_stocks are fewer than minimum_stocks {self.minimum_stocks}")
        return self


class SplitSize(Params):
    """The days of one part of a split, and the stocks that are forecast on its median day."""

    days: int
    stocks: int

    @property
    def error(self) -> float:
        """Compute the standard error of the mean daily rank IC of random forecasts over days that share no return."""
        return 1 / float(np.sqrt(max(self.stocks - 1, 1) * self.days))

    def describe_shortage(self, part: str, needed: SizeParams) -> str | None:
        """Describe what is below the recommended size and its consequence; None where nothing is."""
        wanted = needed.recommend(part)
        short = [f"{self.days} days (recommended: {wanted.days})"] if self.days < wanted.days else []
        if self.stocks < wanted.stocks:
            short.append(f"{self.stocks} stocks a day (recommended: {wanted.stocks})")
        if not short:
            return None
        effect = f", {EFFECTS[part]}" if self.error > wanted.error else ""
        return f"{part}: {' and '.join(short)}; a mean rank IC over them is known to ± {self.error:.3f} at best{effect}"
