"""The order in which blocks are seen: every day once an epoch, in an order and with borders that a seed decides."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

NO_DAY = -1


@dataclass(frozen=True)
class BlockSampler:
    """Cuts stretches of days into blocks of ``days`` and hands each to one of ``ranks`` workers.

    An epoch is a pure function of (seed, epoch), so a resumed training sees what the killed one would have seen.
    """

    segments: Sequence[np.ndarray]  # of consecutive days of the panel
    days: int
    seed: int
    rank: int = 0
    ranks: int = 1

    def epoch(self, epoch: int) -> Iterator[np.ndarray]:
        """Yield this rank's blocks of days (day,), −1 where a block is shorter; each rank yields as many."""
        random = np.random.default_rng([self.seed, epoch])
        blocks = [block for days in self.segments for block in self._cut(days, random)]
        yield from self._deal([blocks[place] for place in random.permutation(len(blocks))])

    @property
    def steps(self) -> int:
        """Count the blocks that each rank sees in every epoch."""
        return -(-sum(self._count(days) for days in self.segments) // self.ranks)

    def chronological(self) -> Iterator[np.ndarray]:
        """Yield this rank's share of all blocks in the order of time, for validation and forecasts."""
        blocks = [
            pad_days(piece, self.days)
            for days in self.segments
            for piece in np.split(days, np.arange(self.days, len(days), self.days))
        ]
        yield from self._deal(blocks)

    def _deal(self, blocks: list[np.ndarray]) -> list[np.ndarray]:
        """Give this rank its blocks; each gets as many."""
        return (blocks + [np.full(self.days, NO_DAY)] * (-len(blocks) % self.ranks))[self.rank :: self.ranks]

    def _count(self, days: np.ndarray) -> int:
        """Count the blocks of a stretch: room for half a block more than there is, so that borders can move."""
        return 1 if len(days) <= self.days else -(-(len(days) + self.days // 2) // self.days)

    def _cut(self, days: np.ndarray, random: np.random.Generator) -> list[np.ndarray]:
        """Cut one stretch into blocks of about one size, the first of any size, so that all borders move."""
        others = self._count(days) - 1
        if not others:
            return [pad_days(days, self.days)]
        spare = (others + 1) * self.days - len(days)
        least, most = spare - others * (self.days - 1), min(spare, self.days - 1)
        first = int(random.integers(max(least, 0), most + 1))
        rest = (spare - first) // others + random.permutation(np.arange(others) < (spare - first) % others)
        shorter = np.concatenate([[first], rest])
        return [pad_days(piece, self.days) for piece in np.split(days, np.cumsum(self.days - shorter)[:-1])]


def pad_days(days: np.ndarray, size: int) -> np.ndarray:
    """Fill up a block's days with −1."""
    return np.concatenate([days, np.full(size - len(days), NO_DAY)])
