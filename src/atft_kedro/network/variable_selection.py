"""Variable selection: weights of the features for each observation and market state."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..panel.blocks import Block


class VariableSelection(nn.Module):
    r"""Weighting of the features by a softmax, and a linear embedding of the weighted features.

    .. math:: W\,(F \cdot \mathrm{softmax}(W_2\, \mathrm{ELU}(W_1 x + W_3 m)) \odot x)

    F is the number of features, x one observation of them, and m the market state of its day: mean and dispersion of
    each feature over the universe. The matrices W are learned; biases are left out here. All weights start near one,
    so the module starts as a linear embedding. A missing feature has a learned value.

    The module is based on the variable selection of "Temporal Fusion Transformers" (Lim et al., 2021) and on the
    market-guided gating of "MASTER" (Li et al., 2024). Here all features share the same layers, instead of one
    network per feature.

    Shapes: block of ``(stock, step, feature) -> (stock, step, hidden)``
    """

    def __init__(self, n_features: int, hidden_size: int, selection_size: int, *, market_gate: bool = True) -> None:
        super().__init__()
        self.missing = nn.Parameter(torch.zeros(n_features))  # learned values of missing features
        self.from_features = nn.Linear(n_features, selection_size)
        self.from_market = nn.Linear(2 * n_features, selection_size, bias=False) if market_gate else None
        self.to_weights = nn.Linear(selection_size, n_features)
        self.embedding = nn.Linear(n_features, hidden_size)
        self._init_nearly_equal_weights()

    def _init_nearly_equal_weights(self) -> None:
        """Initialise `to_weights` so that all features start with nearly the same weight."""
        nn.init.normal_(self.to_weights.weight, std=0.01)
        nn.init.zeros_(self.to_weights.bias)

    def forward(self, block: Block) -> Tensor:
        """Embed every observation of a block."""
        x = self.replace_missing(block)
        return self.embedding(x * self.compute_weights(x, block))

    def replace_missing(self, block: Block) -> Tensor:
        """Replace missing features by their learned values."""
        x = block.features.to(self.missing.dtype)
        return torch.where(x.isnan(), self.missing, x)

    def compute_weights(self, x: Tensor, block: Block) -> Tensor:
        """Compute the weights of the features (stock, step, feature), with mean one."""
        activation = self.from_features(x)  # (stock, step, selection_size)
        if self.from_market is not None:
            activation = activation + functional.embedding(block.row_day, self.from_market(block.market))
        logits = self.to_weights(functional.elu(activation))
        return logits.softmax(-1) * x.shape[-1]

    def extra_repr(self) -> str:
        """Return the number of features."""
        return f"features={len(self.missing)}"
