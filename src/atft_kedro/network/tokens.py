"""Market tokens: a few learned questions to the whole market, and each stock's look at the answers."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from .gat import rescale_norm


class MarketTokens(nn.Module):
    """Let M learned tokens attend to all stocks of the day, and each stock to the tokens: O(stocks x M).

    The inducing points of "Set Transformer" (Lee et al., 2019), added through a gate that starts at zero.

    Shapes: ``(day, stock, hidden)``, present ``(day, stock) -> (day, stock, hidden)``
    """

    def __init__(self, hidden: int, tokens: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(hidden, bias=False)
        self.tokens = nn.Parameter(torch.randn(tokens, hidden) * hidden**-0.5)
        self.ask = nn.Linear(hidden, 2 * hidden)
        self.answer = nn.Linear(hidden, 2 * hidden)
        self.query = nn.Linear(hidden, hidden)
        self.gate = nn.Parameter(torch.zeros(hidden))

    def forward(self, x: Tensor, present: Tensor) -> Tensor:
        """Fuse the market's answers into every stock."""
        seen = self.norm(x)
        questions = self.tokens.expand(len(x), -1, -1)
        there = (present | ~present.any(-1, keepdim=True)).view(len(x), 1, 1, -1)  # an empty day asks the padding
        market = self._attend(questions, self.ask(seen), there)
        said = self._attend(self.query(seen), self.answer(market), None)
        return x + self.gate.tanh() * rescale_norm(said, said.norm(dim=-1, keepdim=True), x)

    def _attend(self, query: Tensor, key_value: Tensor, mask: Tensor | None) -> Tensor:
        key, value = key_value.chunk(2, -1)
        q, k, v = (each.unflatten(-1, (self.heads, -1)).transpose(1, 2) for each in (query, key, value))
        return functional.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2).flatten(2)
