"""Temporal fusion: a convolution and attention over a stock's own past, each over exactly its window."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from .gated import GatedResidual, LockedDropout, start_small

WAVES = 3  # of the bias by lag: half a wave, a whole and one and a half over the window
ABSENT = -1e4  # score of a step that the stock does not have


class CausalConvolution(nn.Module):
    """Mix each step with the ``kernel − 1`` before it; a step that is all zero, for absent, says nothing.

    One matrix product of all steps for all taps, and the shifted results added.

    Shapes: ``(stock, step, hidden) -> (stock, step − kernel + 1, hidden)``
    """

    def __init__(self, size: int, kernel: int, start: float) -> None:
        super().__init__()
        self.kernel = kernel
        self.norm = nn.LayerNorm(size, bias=False)
        self.taps = nn.Linear(size, kernel * size, bias=False)
        start_small(self.taps, start)

    def forward(self, x: Tensor) -> Tensor:
        """Add what the last steps say."""
        said = self.taps(self.norm(x)).chunk(self.kernel, -1)
        steps = x.shape[1] - self.kernel + 1
        mixed = said[0][:, :steps]
        for tap in range(1, self.kernel):
            mixed = mixed + said[tap][:, tap : tap + steps]
        return x[:, self.kernel - 1 :] + functional.elu(mixed)


class WindowAttention(nn.Module):
    r"""Attend from each step to itself and the ``window − 1`` before it.

    Scores are :math:`q \cdot k / \sqrt{d} + b(\text{lag})`, with for every head a learned line and some learned waves
    as b. Ours writes b and the mask of absent steps as further channels of queries and keys, so that the whole
    runs as one fused kernel where the device has one.

    Shapes: ``(stock, step, hidden) -> (stock, step − window + 1, hidden)``
    """

    def __init__(self, size: int, heads: int, window: int, dropout: float, start: float) -> None:
        super().__init__()
        self.heads, self.window = heads, window
        self.norm = nn.LayerNorm(size, bias=False)
        self.query = nn.Linear(size, size)
        self.key_value = nn.Linear(size, 2 * size)
        self.out = nn.Linear(size, size)
        self.by_lag = nn.Parameter(torch.zeros(heads, 2 * WAVES + 1))
        self.dropout = LockedDropout(dropout)
        start_small(self.out, start)

    def forward(self, x: Tensor, present: Tensor) -> Tensor:
        """Add what the window says."""
        query, key, value = self.project(x, present)
        mask = window_mask(x.shape[1], self.window, x.device)
        value = functional.pad(value, (0, query.shape[-1] - value.shape[-1]))  # fused kernels want one width
        said = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=self._scale())
        said = said[..., : x.shape[-1] // self.heads].transpose(1, 2).flatten(2)  # (stock, step, hidden)
        return x[:, self.window - 1 :] + self.dropout(self.out(said))

    def weights(self, x: Tensor, present: Tensor) -> Tensor:
        """Say how much each step attends to each lag (stock, head, step, lag), the step itself first."""
        query, key, _ = self.project(x, present)
        score = query @ key.transpose(-1, -2) * self._scale()
        weight = score.masked_fill(~window_mask(x.shape[1], self.window, x.device), -torch.inf).softmax(-1)
        lags = torch.arange(self.window - 1, -1, -1, device=x.device)
        place = torch.arange(weight.shape[-2], device=x.device).unsqueeze(1) + lags
        return weight.gather(-1, place.expand(*weight.shape[:2], -1, -1))

    def project(self, x: Tensor, present: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Make queries, keys and values (stock, head, step, channel), queries and keys with their further channels."""
        x = self.norm(x)
        query = self._heads(self.query(x[:, self.window - 1 :]))
        key, value = (self._heads(each) for each in self.key_value(x).chunk(2, -1))
        asked, told = self._lag_channels(x.shape[1], query)
        absent = torch.where(present, 0.0, ABSENT).to(key.dtype)[:, None, :, None].expand(-1, self.heads, -1, -1)
        told = told.expand(len(x), self.heads, -1, -1)
        asked = asked.expand(len(x), -1, -1, -1)
        return torch.cat([query, asked], -1), torch.cat([key, told, absent], -1), value

    def _lag_channels(self, steps: int, like: Tensor) -> tuple[Tensor, Tensor]:
        """Write b(lag) as a product: what queries ask (head, step, channel) and what keys tell (step, channel)."""
        step = torch.arange(steps, device=like.device, dtype=torch.float32)
        angle = step.unsqueeze(1) * (torch.pi / self.window) * torch.arange(1, WAVES + 1, device=like.device)
        sine, cosine = angle.sin(), angle.cos()
        told = torch.cat([step.unsqueeze(1) / self.window, cosine, sine], -1)
        slope, even, odd = self.by_lag.split([1, WAVES, WAVES], -1)
        even, odd, sine, cosine = (
            even.unsqueeze(1),
            odd.unsqueeze(1),
            sine[self.window - 1 :],
            cosine[self.window - 1 :],
        )
        line = slope.unsqueeze(1).expand(-1, len(sine), -1)
        ones = torch.ones_like(line)
        asked = torch.cat([line, even * cosine + odd * sine, even * sine - odd * cosine, ones], -1) / self._scale()
        return asked.to(like.dtype), told.to(like.dtype)

    def _scale(self) -> float:
        return (self.query.out_features // self.heads) ** -0.5

    def _heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


def window_mask(steps: int, window: int, device: torch.device) -> Tensor:
    """Say which keys each query sees (query, key): those of its window."""
    keys = torch.arange(steps, device=device)
    queries = keys[window - 1 :].unsqueeze(1)
    return (keys <= queries) & (keys > queries - window)


class TemporalFusion(nn.Module):
    """Convolve, then attend and refine layer by layer; each takes its window off the front.

    Shapes: ``(stock, step, hidden) -> (stock, step − reach, hidden)``
    """

    def __init__(self, size: int, kernel: int, windows: list[int], heads: int, rates: tuple[float, float]) -> None:
        super().__init__()
        dropout, start = rates
        self.convolution = CausalConvolution(size, kernel, start)
        self.attentions = nn.ModuleList(WindowAttention(size, heads, window, dropout, start) for window in windows)
        self.refinements = nn.ModuleList(GatedResidual(size, LockedDropout(dropout), start) for _ in windows)

    def forward(self, x: Tensor, present: Tensor) -> Tensor:
        """Fuse each stock's past into its last steps."""
        x = self.convolution(x)
        for attention, refinement in zip(self.attentions, self.refinements, strict=True):
            x = refinement(attention(x, present[:, present.shape[1] - x.shape[1] :]))
        return x
