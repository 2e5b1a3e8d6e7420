"""Temporal fusion: a convolution and windowed attention over each stock's past."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from .layers import GatedResidual, LockedDropout, scale_weights

WAVES = 3  # number of waves of the lag bias: half, one and one and a half periods over the window
ABSENT_SCORE = -1e4  # attention score of a step in which the stock is absent


class CausalConvolution(nn.Module):
    """Convolution of each step with the ``kernel − 1`` steps before it.

    Absent steps are zero and add nothing. One matrix product computes all taps of all steps; the shifted results are
    added.

    Shapes: ``(stock, step, hidden) -> (stock, step − kernel + 1, hidden)``
    """

    def __init__(self, size: int, kernel: int, initial_scale: float) -> None:
        super().__init__()
        self.kernel = kernel
        self.norm = nn.LayerNorm(size, bias=False)
        self.taps = nn.Linear(size, kernel * size, bias=False)
        scale_weights(self.taps, initial_scale)

    def forward(self, x: Tensor) -> Tensor:
        """Add the convolution to ``x``."""
        taps = self.taps(self.norm(x)).chunk(self.kernel, -1)
        steps = x.shape[1] - self.kernel + 1
        mixed = taps[0][:, :steps]
        for tap in range(1, self.kernel):
            mixed = mixed + taps[tap][:, tap : tap + steps]
        return x[:, self.kernel - 1 :] + functional.elu(mixed)


class WindowAttention(nn.Module):
    r"""Attention of each step to itself and the ``window − 1`` steps before it.

    Scores are :math:`q \cdot k / \sqrt{d} + b(\text{lag})`; b is a learned line plus learned waves for each head. Ours
    writes b and the mask of absent steps as additional channels of queries and keys, so that everything runs as one
    fused kernel where the device has one.

    Shapes: ``(stock, step, hidden) -> (stock, step − window + 1, hidden)``
    """

    def __init__(self, size: int, heads: int, window: int, dropout: float, initial_scale: float) -> None:
        super().__init__()
        self.heads, self.window = heads, window
        self.scale = (size // heads) ** -0.5
        self.norm = nn.LayerNorm(size, bias=False)
        self.query = nn.Linear(size, size)
        self.key_value = nn.Linear(size, 2 * size)
        self.out = nn.Linear(size, size)
        self.lag_bias = nn.Parameter(torch.zeros(heads, 2 * WAVES + 1))
        self.dropout = LockedDropout(dropout)
        scale_weights(self.out, initial_scale)

    def forward(self, x: Tensor, present: Tensor) -> Tensor:
        """Add the attention over the window to ``x``."""
        query, key, value = self.project(x, present)
        mask = make_window_mask(x.shape[1], self.window, x.device)
        value = functional.pad(value, (0, query.shape[-1] - value.shape[-1]))  # fused kernels need equal widths
        attended = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=self.scale)
        attended = attended[..., : x.shape[-1] // self.heads].transpose(1, 2).flatten(2)  # (stock, step, hidden)
        return x[:, self.window - 1 :] + self.dropout(self.out(attended))

    def weights(self, x: Tensor, present: Tensor) -> Tensor:
        """Compute the attention of each step to each lag (stock, head, step, lag), lag 0 first."""
        query, key, _ = self.project(x, present)
        score = query @ key.transpose(-1, -2) * self.scale
        weight = score.masked_fill(~make_window_mask(x.shape[1], self.window, x.device), -torch.inf).softmax(-1)
        lags = torch.arange(self.window - 1, -1, -1, device=x.device)
        keys = torch.arange(weight.shape[-2], device=x.device).unsqueeze(1) + lags
        return weight.gather(-1, keys.expand(*weight.shape[:2], -1, -1))

    def project(self, x: Tensor, present: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Compute queries, keys and values (stock, head, step, channel), with bias and mask."""
        x = self.norm(x)
        query = self._split_heads(self.query(x[:, self.window - 1 :]))
        key, value = (self._split_heads(projected) for projected in self.key_value(x).chunk(2, -1))
        query_bias, key_bias = self._bias_channels(x.shape[1], query)
        absent = torch.where(present, 0.0, ABSENT_SCORE).to(key.dtype)[:, None, :, None].expand(-1, self.heads, -1, -1)
        key_bias = key_bias.expand(len(x), self.heads, -1, -1)
        query_bias = query_bias.expand(len(x), -1, -1, -1)
        return torch.cat([query, query_bias], -1), torch.cat([key, key_bias, absent], -1), value

    def _bias_channels(self, steps: int, like: Tensor) -> tuple[Tensor, Tensor]:
        """Factor b(lag) into channels of queries (head, step, channel) and keys (step, channel)."""
        step = torch.arange(steps, device=like.device, dtype=torch.float32)
        angle = step.unsqueeze(1) * (torch.pi / self.window) * torch.arange(1, WAVES + 1, device=like.device)
        sine, cosine = angle.sin(), angle.cos()
        key_bias = torch.cat([step.unsqueeze(1) / self.window, cosine, sine], -1)
        slope, even, odd = self.lag_bias.unsqueeze(1).split([1, WAVES, WAVES], -1)
        sine, cosine = sine[self.window - 1 :], cosine[self.window - 1 :]
        line = slope.expand(-1, len(sine), -1)
        ones = torch.ones_like(line)
        query_bias = torch.cat([line, even * cosine + odd * sine, even * sine - odd * cosine, ones], -1) / self.scale
        return query_bias.to(like.dtype), key_bias.to(like.dtype)

    def _split_heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


def make_window_mask(steps: int, window: int, device: torch.device) -> Tensor:
    """Create the mask (query, key) of the keys in each query's window."""
    keys = torch.arange(steps, device=device)
    queries = keys[window - 1 :].unsqueeze(1)
    return (keys <= queries) & (keys > queries - window)


class TemporalFusion(nn.Module):
    """Convolution, then layers of windowed attention and gated residual.

    Convolution and attention shorten the sequence by their window minus one.

    Shapes: ``(stock, step, hidden) -> (stock, step − reach, hidden)``
    """

    def __init__(self, size: int, kernel: int, windows: list[int], heads: int, dropout: float, scale: float) -> None:
        super().__init__()
        self.convolution = CausalConvolution(size, kernel, scale)
        self.attentions = nn.ModuleList(WindowAttention(size, heads, window, dropout, scale) for window in windows)
        self.refinements = nn.ModuleList(GatedResidual(size, LockedDropout(dropout), scale) for _ in windows)

    def forward(self, x: Tensor, present: Tensor) -> Tensor:
        """Summarise each stock's past in its last steps."""
        x = self.convolution(x)
        for attention, refinement in zip(self.attentions, self.refinements, strict=True):
            x = refinement(attention(x, present[:, present.shape[1] - x.shape[1] :]))
        return x
