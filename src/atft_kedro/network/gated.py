"""Gated residual network: the block that everything between the attentions is made of."""

import torch
from torch import Tensor, nn
from torch.nn import functional


class GatedResidual(nn.Module):
    r"""Add to an input what a small network makes of it, through a gate.

    .. math:: x + \mathrm{GLU}(W_2\, \mathrm{ELU}(W_1\, \mathrm{norm}(x)))

    After "Temporal Fusion Transformers" (Lim et al., 2021). Ours normalises before instead of after, so that the
    residual path stays free, and starts with a ``W_2`` scaled down by ``start``, so that little is added at first.

    ``dropout`` is the module that drops hidden channels while training.

    Shapes: ``(..., size) -> (..., size)``
    """

    def __init__(self, size: int, dropout: nn.Module, start: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(size, bias=False)
        self.widen = nn.Linear(size, size)
        self.gate = nn.Linear(size, 2 * size)
        self.dropout = dropout
        start_small(self.gate, start)

    def forward(self, x: Tensor) -> Tensor:
        """Refine ``x``."""
        hidden = self.dropout(functional.elu(self.widen(self.norm(x))))
        return x + functional.glu(self.gate(hidden))


class LockedDropout(nn.Module):
    """Drop the same channels at every step of a sequence.

    "A Theoretically Grounded Application of Dropout" (Gal and Ghahramani, 2016); it also draws that many fewer
    random numbers.

    Shapes: ``(row, step, size) -> (row, step, size)``
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        """Drop, while training."""
        if not (self.training and self.share):
            return x
        kept = torch.empty_like(x[:, :1]).bernoulli_(1 - self.share)
        return x * (kept / (1 - self.share))

    def extra_repr(self) -> str:
        """Name the share."""
        return f"share={self.share}"


def start_small(layer: nn.Linear, scale: float) -> None:
    """Scale a layer's first weights down, so that a residual branch starts quiet (layer scale, folded in)."""
    with torch.no_grad():
        layer.weight.mul_(scale)
        if layer.bias is not None:
            layer.bias.zero_()
