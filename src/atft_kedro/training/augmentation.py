"""Augmentation: blocks changed a little while training, so that a network learns what survives it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated

import torch
from pydantic import Field

from ..panel.blocks import ABSENT, Block
from ..params import Params

Share = Annotated[float, Field(ge=0, lt=1)]


class AugmentParams(Params):
    """How blocks are changed; 0 switches a change off.

    ``feature_noise`` is a standard deviation, in the units of scaled features; ``time_mask`` the most steps of a run
    that is made missing in each stock's past; ``segment_permutation`` the steps of two pieces of history that change
    places; ``mixup`` the concentration of the beta distribution that mixes two stocks of the same days;
    ``edge_dropout`` the share of edges that are cut.
    """

    feature_noise: Annotated[float, Field(ge=0)] = 0.0
    time_mask: Annotated[int, Field(ge=0)] = 0
    segment_permutation: Annotated[int, Field(ge=0)] = 0
    mixup: Annotated[float, Field(ge=0)] = 0.0
    edge_dropout: Share = 0.0

    def active(self) -> dict[str, float]:
        """Map the changes that are on to their amounts."""
        return {name: amount for name, amount in self.model_dump().items() if amount}


def augment(block: Block, params: AugmentParams) -> Block:
    """Change a block in every way that is on."""
    for name, amount in params.active().items():
        block = AUGMENTATIONS[name](block, amount)
    return block


def add_noise(block: Block, deviation: float) -> Block:
    """Add noise to what is known; what is missing stays missing."""
    return replace(block, features=block.features + deviation * torch.randn_like(block.features))


def mask_time(block: Block, most: float) -> Block:
    """Make up to ``most`` consecutive steps of each stock's past missing, never a day that is forecast."""
    past = _past(block)
    length = torch.randint(0, int(most) + 1, (len(block.stock), 1), device=block.stock.device)
    first = (torch.rand(length.shape, device=length.device) * (past - length + 1).clamp(min=1)).long()
    step = torch.arange(block.features.shape[1], device=length.device)
    hidden = (step >= first) & (step < first + length) & (step < past)
    return replace(block, features=block.features.masked_fill(hidden.unsqueeze(-1), torch.nan))


def permute_segments(block: Block, length: float) -> Block:
    """Let two pieces of the past change places; days that are forecast stay, for a later one knows their answers."""
    past, size = _past(block), int(length)
    if past < 2 * size:
        return block
    one = int(torch.randint(0, past - 2 * size + 1, ()))
    other = int(torch.randint(one + size, past - size + 1, ()))
    order = torch.arange(block.features.shape[1], device=block.features.device)
    order[one : one + size], order[other : other + size] = (
        order[other : other + size].clone(),
        order[one : one + size].clone(),
    )
    return replace(block, features=block.features[:, order], rows=block.rows[:, order], row_day=block.row_day[:, order])


def mix_stocks(block: Block, concentration: float) -> Block:
    """Mix each stock with another that was there on the same days, answers included."""
    other = torch.randperm(len(block.stock), device=block.stock.device)
    same = (block.row_day == block.row_day[other]) & (block.is_present == block.is_present[other])
    fits = (same.all(1) & (block.slot == block.slot[:, other]).all(0)).view(-1, 1, 1)
    drawn = torch.distributions.Beta(concentration, concentration).sample((len(other), 1, 1))
    share = torch.maximum(drawn, 1 - drawn).to(block.features).where(fits, 1)
    features = block.features.lerp(block.features[other], 1 - share)  # what either lacks is missing
    targets = block.targets.lerp(block.targets[:, other], (1 - share).float().squeeze(-1))
    return replace(
        block, features=torch.where(fits, features, block.features), targets=targets.where(fits[:, 0], block.targets)
    )


def cut_edges(block: Block, share: float) -> Block:
    """Cut some edges."""
    cut = torch.rand(block.neighbours.shape, device=block.neighbours.device) < share
    return replace(
        block,
        neighbours=block.neighbours.masked_fill(cut, ABSENT),
        edges=block.edges.masked_fill(cut.unsqueeze(-1), 0),
    )


AUGMENTATIONS: dict[str, Callable[[Block, float], Block]] = {
    "feature_noise": add_noise,
    "time_mask": mask_time,
    "segment_permutation": permute_segments,
    "mixup": mix_stocks,
    "edge_dropout": cut_edges,
}
assert set(AUGMENTATIONS) == set(AugmentParams.model_fields)


def _past(block: Block) -> int:
    """Count the steps before any that is a forecast day."""
    steps, days = block.features.shape[1], len(block.day)
    return steps - days
