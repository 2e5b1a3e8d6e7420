"""Order of training blocks: each epoch has every day once, in a seeded random order."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

NO_DAY = -1


@dataclass(frozen=True)
class BlockSampler:
    """Splits segments of consecutive days into blocks of ``days`` for ``ranks`` processes.

    An epoch depends only on (seed, epoch), so a resumed training sees the same blocks as an uninterrupted one.
    """

    segments: Sequence[np.ndarray]  # each of consecutive day indices of the panel
    days: int
    seed: int
    rank: int = 0
    ranks: int = 1

    def epoch(self, epoch: int) -> Iterator[np.ndarray]:
        """Yield this rank's blocks (day,), padded with −1; every rank yields the same number."""
        random = np.random.default_rng([self.seed, epoch])
        blocks = [block for days in self.segments for block in self._split_segment(days, random)]
        yield from self._select_own([blocks[index] for index in random.permutation(len(blocks))])

    @property
    def steps(self) -> int:
        """Count the blocks of each rank in an epoch."""
        return -(-sum(self._count_blocks(days) for days in self.segments) // self.ranks)

    def chronological(self) -> Iterator[np.ndarray]:
        """Yield this rank's blocks in chronological order, for validation and forecasts."""
        blocks = [
            pad_days(block_days, self.days)
            for days in self.segments
            for block_days in np.split(days, np.arange(self.days, len(days), self.days))
        ]
        yield from self._select_own(blocks)

    def _select_own(self, blocks: list[np.ndarray]) -> list[np.ndarray]:
        """Select every ``ranks``-th block, padded so that each rank has the same number."""
        return (blocks + [np.full(self.days, NO_DAY)] * (-len(blocks) % self.ranks))[self.rank :: self.ranks]

    def _count_blocks(self, days: np.ndarray) -> int:
        """Count the blocks of a segment: enough for half a block more, so that borders can move."""
        return 1 if len(days) <= self.days else -(-(len(days) + self.days // 2) // self.days)

    def _split_segment(self, days: np.ndarray, random: np.random.Generator) -> list[np.ndarray]:
        """Split a segment into blocks of similar size; the random size of the first moves all borders."""
        others = self._count_blocks(days) - 1
        if not others:
            return [pad_days(days, self.days)]
        spare = (others + 1) * self.days - len(days)  # days by which all blocks together are too short
        least, most = spare - others * (self.days - 1), min(spare, self.days - 1)
        missing_in_first = int(random.integers(max(least, 0), most + 1))
        missing_in_others = (spare - missing_in_first) // others + random.permutation(
            np.arange(others) < (spare - missing_in_first) % others
        )
        missing = np.concatenate([[missing_in_first], missing_in_others])
        return [pad_days(block_days, self.days) for block_days in np.split(days, np.cumsum(self.days - missing)[:-1])]


def pad_days(days: np.ndarray, size: int) -> np.ndarray:
    """Pad a block's days with −1."""
    return np.concatenate([days, np.full(size - len(days), NO_DAY)])
