"""Variable selection: which features count, for each observation and in each state of the market."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..panel.blocks import Block


class Selection(nn.Module):
    r"""Weigh every feature by a softmax over all of them, and embed the weighted features together.

    .. math:: W\,(F \cdot \mathrm{softmax}(W_2\, \mathrm{ELU}(W_1 x + W_3 m)) \odot x)

    with the market's state m of the observation's day: mean and dispersion of each feature over its universe. After
    the variable selection of "Temporal Fusion Transformers" (Lim et al., 2021), which embeds each feature by a
    network of its own, and the market-guided gating of "MASTER" (Li et al., 2024). Ours is one matrix product for
    all features; weights start at one, so that it starts as a linear embedding. What is missing has a learned value.

    Shapes: block of ``(stock, step, feature) -> (stock, step, hidden)``
    """

    def __init__(self, features: int, hidden: int, size: int, *, market_gate: bool = True) -> None:
        super().__init__()
        self.missing = nn.Parameter(torch.zeros(features))
        self.own = nn.Linear(features, size)
        self.market = nn.Linear(2 * features, size, bias=False) if market_gate else None
        self.weigh = nn.Linear(size, features)
        self.embed = nn.Linear(features, hidden)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Start with nearly equal weights."""
        nn.init.normal_(self.weigh.weight, std=0.01)
        nn.init.zeros_(self.weigh.bias)

    def forward(self, block: Block) -> Tensor:
        """Embed every observation of a block."""
        x = self.fill(block)
        return self.embed(x * self.weights(x, block))

    def fill(self, block: Block) -> Tensor:
        """Put each feature's learned value where it is missing."""
        x = block.features.to(self.missing.dtype)
        return torch.where(x.isnan(), self.missing, x)

    def weights(self, x: Tensor, block: Block) -> Tensor:
        """Weigh the features (stock, step, feature); on average over them the weight is one."""
        inner = self.own(x)  # (stock, step, size)
        if self.market is not None:
            inner = inner + functional.embedding(block.row_day, self.market(block.market))
        logits = self.weigh(functional.elu(inner))
        return logits.softmax(-1) * x.shape[-1]

    def extra_repr(self) -> str:
        """Name the sizes."""
        return f"features={len(self.missing)}"
