"""Layers shared by the modules of the network: gated residual block, locked dropout, small initial weights."""

import torch
from torch import Tensor, nn
from torch.nn import functional


class GatedResidual(nn.Module):
    r"""Gated residual network.

    .. math:: x + \mathrm{GLU}(W_2\, \mathrm{ELU}(W_1\, \mathrm{norm}(x)))

    After "Temporal Fusion Transformers" (Lim et al., 2021). Ours normalises the input instead of the output, so that
    the residual path is linear, and scales the initial ``W_2`` by ``initial_scale``, so that little is added at first.
    ``dropout`` drops hidden channels in training.

    Shapes: ``(..., size) -> (..., size)``
    """

    def __init__(self, size: int, dropout: nn.Module, initial_scale: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(size, bias=False)
        self.hidden = nn.Linear(size, size)
        self.gate = nn.Linear(size, 2 * size)
        self.dropout = dropout
        scale_weights(self.gate, initial_scale)

    def forward(self, x: Tensor) -> Tensor:
        """Add the gated output of the hidden layer to ``x``."""
        hidden = self.dropout(functional.elu(self.hidden(self.norm(x))))
        return x + functional.glu(self.gate(hidden))


class LockedDropout(nn.Module):
    """Dropout of the same channels at every step of a sequence.

    "A Theoretically Grounded Application of Dropout" (Gal and Ghahramani, 2016). It needs one random number per
    channel and row, not one per step.

    Shapes: ``(row, step, size) -> (row, step, size)``
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """Drop channels in training."""
        if not (self.training and self.rate):
            return x
        kept = torch.empty_like(x[:, :1]).bernoulli_(1 - self.rate)
        return x * (kept / (1 - self.rate))

    def extra_repr(self) -> str:
        """Return the rate."""
        return f"rate={self.rate}"


def scale_weights(layer: nn.Linear, scale: float) -> None:
    """Scale a layer's initial weights and zero its bias, so that its branch starts small."""
    with torch.no_grad():
        layer.weight.mul_(scale)
        if layer.bias is not None:
            layer.bias.zero_()
