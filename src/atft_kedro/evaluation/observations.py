"""Observations as training rows: the features and labels of one stock on one day."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from ..panel.split import SplitName
from ..training.data import TrainingData
from .quantiles import Units, label_returns

DAYS_PER_BLOCK = 16


@dataclass(frozen=True)
class Observations:
    """Rows of the stocks that are forecast on some days, sorted by day."""

    day: Tensor  # int64 (row,) index in the panel
    stock: Tensor  # int64 (row,) index in the panel
    features: Tensor  # float16 (row, feature); NaN where missing
    labels: Tensor  # float32 (row, horizon); NaN where unknown

    def demean(self) -> Tensor:
        """Replace missing features by 0 and subtract the day's mean from each (row, feature)."""
        filled = self.features.float().masked_fill(self.features.isnan(), 0)
        day = self._number_days()
        total = torch.zeros(int(day[-1]) + 1, filled.shape[1]).index_add_(0, day, filled)
        return filled - (total / day.bincount().unsqueeze(-1))[day]

    def to_array(self, values: Tensor) -> Tensor:
        """Arrange values (row, …) as an array (day, stock, …); NaN where no row exists."""
        day = self._number_days()
        array = torch.full((int(day[-1]) + 1, int(self.stock.max()) + 1, *values.shape[1:]), torch.nan)
        array[day, self.stock] = values.float()
        return array

    def _number_days(self) -> Tensor:
        """Return the number of each row's day, counted from 0."""
        return (self.day.diff(prepend=self.day[:1]) != 0).cumsum(0)

    @classmethod
    def join(cls, batches: list[Self]) -> Self:
        """Concatenate batches of observations."""
        return cls(*(torch.cat([getattr(batch, name) for batch in batches]) for name in cls.__dataclass_fields__))


Predictor = Callable[[Observations], Tensor]  # a fitted model: forecasts (row, horizon)


def read_observations(training_data: TrainingData, split: SplitName, units: Units) -> Iterator[Observations]:
    """Read a split in batches of days; labels that reach into the next split are NaN."""
    loader = training_data.loader(split, 1, DAYS_PER_BLOCK)
    for days in loader.sampler.chronological():
        block = loader.reader.read(days)
        day, stock = block.is_forecast.nonzero(as_tuple=True)
        returns = block.targets.transpose(1, 2)  # (day, horizon, stock)
        labels = label_returns(returns, returns.isfinite(), units).transpose(1, 2)
        yield Observations(
            day=block.day[day],
            stock=block.stock[stock],
            features=block.features[stock, block.step_of_day[day, stock]],
            labels=labels[day, stock],
        )
