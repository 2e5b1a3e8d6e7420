"""Variable selection: weights of the features for each observation and market state."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..panel.blocks import Block


class VariableSelection(nn.Module):
    r"""Softmax weights of the features, and an embedding of the weighted features.

    .. math:: W\,(F \cdot \mathrm{softmax}(W_2\, \mathrm{ELU}(W_1 x + W_3 m)) \odot x)

    with the market state m of the observation's day: mean and dispersion of each feature over the universe. After
    the variable selection of "Temporal Fusion Transformers" (Lim et al., 2021), which has a network per feature, and
    the market-guided gating of "MASTER" (Li et al., 2024). Ours is one matrix product for all features, and starts
    as a linear embedding because all weights start near one. Missing features have a learned value.

    Shapes: block of ``(stock, step, feature) -> (stock, step, hidden)``
    """

    def __init__(self, features: int, hidden: int, size: int, *, market_gate: bool = True) -> None:
        super().__init__()
        self.missing = nn.Parameter(torch.zeros(features))
        self.from_features = nn.Linear(features, size)
        self.from_market = nn.Linear(2 * features, size, bias=False) if market_gate else None
        self.to_weights = nn.Linear(size, features)
        self.embedding = nn.Linear(features, hidden)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Start with nearly equal weights."""
        nn.init.normal_(self.to_weights.weight, std=0.01)
        nn.init.zeros_(self.to_weights.bias)

    def forward(self, block: Block) -> Tensor:
        """Embed every observation of a block."""
        x = self.fill_missing(block)
        return self.embedding(x * self.weights(x, block))

    def fill_missing(self, block: Block) -> Tensor:
        """Replace missing features by their learned values."""
        x = block.features.to(self.missing.dtype)
        return torch.where(x.isnan(), self.missing, x)

    def weights(self, x: Tensor, block: Block) -> Tensor:
        """Compute the weights of the features (stock, step, feature), with mean one."""
        hidden = self.from_features(x)  # (stock, step, size)
        if self.from_market is not None:
            hidden = hidden + functional.embedding(block.row_day, self.from_market(block.market))
        logits = self.to_weights(functional.elu(hidden))
        return logits.softmax(-1) * x.shape[-1]

    def extra_repr(self) -> str:
        """Return the number of features."""
        return f"features={len(self.missing)}"
