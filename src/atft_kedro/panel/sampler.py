"""The order in which blocks are seen: every day once an epoch, in an order and with borders that a seed decides."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from ..params import Params

NO_DAY = -1


class BlockParams(Params):
    """How many consecutive days a training step looks at."""

    days: Annotated[int, Field(gt=0)] = 32
    seed: Annotated[int, Field(ge=0)] = 7


@dataclass(frozen=True)
class BlockSampler:
    """Cuts stretches of days into blocks of ``days`` and hands each to one of ``ranks`` workers.

    An epoch is a pure function of (seed, epoch), so a resumed training sees what the killed one would have seen.
    """

    stretches: Sequence[np.ndarray]  # of consecutive days of the panel
    days: int
    seed: int
    rank: int = 0
    ranks: int = 1

    def epoch(self, epoch: int) -> Iterator[np.ndarray]:
        """Yield this rank's blocks of days (day,), −1 where a block is shorter; each rank yields as many."""
        blocks = self.order(epoch)
        blocks += [np.full(self.days, NO_DAY)] * (-len(blocks) % self.ranks)
        yield from blocks[self.rank :: self.ranks]

    def steps(self, epoch: int) -> int:
        """Count the blocks that each rank sees."""
        return -(-len(self.order(epoch)) // self.ranks)

    def order(self, epoch: int) -> list[np.ndarray]:
        """Cut at new places and shuffle, for all ranks the same."""
        random = np.random.default_rng([self.seed, epoch])
        blocks = [block for days in self.stretches for block in self.cut(days, int(random.integers(self.days)))]
        return [blocks[place] for place in random.permutation(len(blocks))]

    def cut(self, days: np.ndarray, offset: int = 0) -> list[np.ndarray]:
        """Cut one stretch, the first block ``offset`` days shorter."""
        edges = np.arange(self.days - offset, len(days), self.days)
        return [_fill(piece, self.days) for piece in np.split(days, edges) if len(piece)]

    def in_order(self) -> Iterator[np.ndarray]:
        """Yield all blocks in the order of time, for validation and forecasts."""
        for days in self.stretches:
            yield from self.cut(days)


def _fill(days: np.ndarray, size: int) -> np.ndarray:
    return np.concatenate([days, np.full(size - len(days), NO_DAY)])
