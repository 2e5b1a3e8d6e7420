"""The days to train or to validate on, in their order."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from ..panel.blocks import BlockReader
from ..panel.sampler import BlockSampler


@dataclass(frozen=True)
class DayLoader:
    """Some days, how their blocks are cut, and who reads them."""

    reader: BlockReader
    sampler: BlockSampler

    @property
    def days(self) -> np.ndarray:
        """List the days, as places in the panel."""
        return np.concatenate(self.sampler.segments)

    def ending(self, most: int) -> Self:
        """Leave the last days only."""
        first = self.days[-most:][0]
        kept = [days[days >= first] for days in self.sampler.segments]
        return replace(self, sampler=replace(self.sampler, segments=[days for days in kept if len(days)]))
