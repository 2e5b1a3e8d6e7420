"""Market tokens: learned queries that attend to all stocks of a day."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from .gat import rescale_norm


class MarketTokens(nn.Module):
    """M learned tokens that attend to all stocks of a day; each stock attends to the tokens.

    The cost is O(stocks x M). The tokens are the inducing points of "Set Transformer" (Lee et al., 2019); their output
    is added through a gate that starts at zero.

    Shapes: ``(day, stock, hidden)``, present ``(day, stock) -> (day, stock, hidden)``
    """

    def __init__(self, hidden: int, n_tokens: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(hidden, bias=False)
        self.tokens = nn.Parameter(torch.randn(n_tokens, hidden) * hidden**-0.5)
        self.stock_key_value = nn.Linear(hidden, 2 * hidden)
        self.token_key_value = nn.Linear(hidden, 2 * hidden)
        self.stock_query = nn.Linear(hidden, hidden)
        self.gate = nn.Parameter(torch.zeros(hidden))

    def forward(self, x: Tensor, present: Tensor) -> Tensor:
        """Add the gated attention to the tokens."""
        stocks = self.norm(x)
        tokens = self.tokens.expand(len(x), -1, -1)
        # A day without stocks attends to its padding, so that the result is finite.
        mask = (present | ~present.any(-1, keepdim=True)).view(len(x), 1, 1, -1)
        market = self._attend(tokens, self.stock_key_value(stocks), mask)
        output = self._attend(self.stock_query(stocks), self.token_key_value(market), None)
        return x + self.gate.tanh() * rescale_norm(output, output.norm(dim=-1, keepdim=True), x)

    def _attend(self, query: Tensor, key_value: Tensor, mask: Tensor | None) -> Tensor:
        key, value = key_value.chunk(2, -1)
        q, k, v = (tensor.unflatten(-1, (self.heads, -1)).transpose(1, 2) for tensor in (query, key, value))
        return functional.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2).flatten(2)
