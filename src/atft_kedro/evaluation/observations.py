"""What a model of single observations learns from: the features of a day and the labels of its stocks."""

from collections.abc import Iterator
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
    """All stocks that are forecast on some days, a row each, days in their order."""

    day: Tensor  # int64 (row,) in the panel
    stock: Tensor  # int64 (row,) in the panel
    features: Tensor  # float16 (row, feature); NaN where missing
    labels: Tensor  # float32 (row, horizon); NaN where unknown

    def demean(self) -> Tensor:
        """Put 0 where a feature is missing, and take the day's mean from each (row, feature)."""
        filled = self.features.float().masked_fill(self.features.isnan(), 0)
        place = self._places()
        total = torch.zeros(int(place[-1]) + 1, filled.shape[1]).index_add_(0, place, filled)
        return filled - (total / place.bincount().unsqueeze(-1))[place]

    def spread(self, values: Tensor) -> Tensor:
        """Lay values (row, …) out over their days and stocks (day, stock, …); NaN elsewhere."""
        place = self._places()
        whole = torch.full((int(place[-1]) + 1, int(self.stock.max()) + 1, *values.shape[1:]), torch.nan)
        whole[place, self.stock] = values.float()
        return whole

    def _places(self) -> Tensor:
        """Count the days of the rows from 0 on."""
        return (self.day.diff(prepend=self.day[:1]) != 0).cumsum(0)

    @classmethod
    def join(cls, pieces: list[Self]) -> Self:
        """Put pieces behind each other."""
        return cls(*(torch.cat([getattr(piece, name) for piece in pieces]) for name in cls.__dataclass_fields__))


def read_observations(training_data: TrainingData, part: SplitName, units: Units) -> Iterator[Observations]:
    """Read all that is forecast in a part, some days at a time; labels end where the part's do."""
    loader = training_data.loader(part, 1, DAYS_PER_BLOCK)
    for days in loader.sampler.chronological():
        block = loader.reader.read(days)
        day, stock = block.is_forecast.nonzero(as_tuple=True)
        returns = block.targets.transpose(1, 2)  # (day, horizon, stock)
        labels = label_returns(returns, returns.isfinite(), units).transpose(1, 2)
        yield Observations(
            day=block.day[day],
            stock=block.stock[stock],
            features=block.features[stock, block.slot[day, stock]],
            labels=labels[day, stock],
        )
