"""Graph attention over each day's neighbours."""

import torch
from torch import Tensor, nn
from torch.nn import functional

SELF_EDGE = 1.0  # every attribute of a stock's edge to itself
EDGE_SPREAD = 2.0  # standard deviation of the initial weights of the edge attributes
SIGNED_SCALE = 15.0  # factor of the signed heads' weights, because correlations of lagged returns are below 0.2


class GraphAttention(nn.Module):
    r"""Attention of each stock to itself and to its neighbours of the day.

    .. math:: \sum_j \mathrm{softmax}_j(a^\top \mathrm{LeakyReLU}(W_l h_i + W_r h_j + W_e e_{ij}))\, W_r h_j

    GATv2 ("How Attentive are Graph Attention Networks?", Brody et al., 2022), with the same numbers as PyTorch
    Geometric's ``GATv2Conv``. Ours gathers K neighbours per stock as a dense tensor, because K is the same for all.

    The last ``signed`` heads do not attend: they weigh each neighbour by the edge's correlation c, its first
    attribute. So a neighbour that moves the opposite way enters with a negative weight, which a softmax cannot give.

    .. math:: \frac{15}{|N_i|} \sum_{j \in N_i} c_{ij} W_r h_j

    Shapes: ``(day, stock, hidden)``, neighbours ``(day, stock, neighbour)``, edges ``(day, stock, neighbour,
    attribute) -> (day, stock, size)``
    """

    def __init__(self, hidden: int, size: int, heads: int, attributes: int, dropout: float, signed: int = 0) -> None:
        super().__init__()
        self.heads, self.signed, self.dropout = heads, signed, dropout
        attending_size = (heads - signed) * (size // heads)
        self.target = nn.Linear(hidden, attending_size)
        self.source = nn.Linear(hidden, size)
        self.edge = nn.Linear(attributes, attending_size, bias=False)
        self.attention = nn.Parameter(torch.empty(heads - signed, size // heads))
        self.bias = nn.Parameter(torch.zeros(size))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Start with equal attention, and with large edge weights because edges differ little."""
        nn.init.zeros_(self.attention)
        nn.init.normal_(self.edge.weight, std=EDGE_SPREAD)

    def forward(self, x: Tensor, neighbours: Tensor, edges: Tensor) -> Tensor:
        """Attend to the neighbours."""
        return self.attend_with_norm(x, neighbours, edges)[0]

    def attend_with_norm(self, x: Tensor, neighbours: Tensor, edges: Tensor) -> tuple[Tensor, Tensor]:
        """Attend, and compute the root mean square norm of the attended values (day, stock, 1)."""
        weight, values = self.attention_weights(x, neighbours, edges)
        signed = self.signed_weights(neighbours, edges.to(weight.dtype))
        dropped = functional.dropout(torch.cat([weight, signed], -1), self.dropout, self.training)
        output = (dropped.unsqueeze(-1) * values.unflatten(-1, (self.heads, -1))).sum(0).flatten(-2) + self.bias
        norm = (weight.mean(-1, keepdim=True) * values.square().sum(-1, keepdim=True)).sum(0).sqrt()
        return output, norm

    def signed_weights(self, neighbours: Tensor, edges: Tensor) -> Tensor:
        """Compute the weights of the signed heads; 0 for the stock itself.

        Shape: ``(1 + neighbour, day, stock, signed head)``
        """
        exists = neighbours >= 0
        scale = SIGNED_SCALE / exists.sum(-1, keepdim=True).clamp(min=1)
        weight = functional.pad((edges[..., 0] * scale).where(exists, 0).permute(2, 0, 1), (0, 0, 0, 0, 1, 0))
        return weight.unsqueeze(-1).expand(-1, -1, -1, self.signed)

    def attention_weights(self, x: Tensor, neighbours: Tensor, edges: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the attention weights, the stock itself first, and the values.

        Shapes: ``(1 + neighbour, day, stock, attending head)`` and ``(1 + neighbour, day, stock, size)``. The
        axis of neighbours comes first, so that a sum over it adds contiguous rows. All operations except the
        projections are elementwise, so that a compiler can fuse them.
        """
        days, stocks, _ = x.shape
        own = torch.arange(stocks, device=x.device).expand(1, days, -1)
        sources = torch.cat([own, neighbours.permute(2, 0, 1)])  # (1 + neighbour, day, stock)
        edges = edges.permute(2, 0, 1, 3).to(x.dtype)
        attributes = torch.cat([torch.full_like(edges[:1], SELF_EDGE), edges])
        index = sources.clamp(min=0) + stocks * torch.arange(days, device=x.device).unsqueeze(1)
        values = functional.embedding(index, self.source(x).flatten(0, 1))  # (1 + neighbour, day, stock, size)
        keys = values[..., : self.target.out_features]
        mixed = functional.leaky_relu(self.target(x) + keys + self.edge(attributes), 0.2)
        score = (mixed.unflatten(-1, self.attention.shape) * self.attention).sum(-1)
        return score.masked_fill((sources < 0).unsqueeze(-1), -torch.inf).softmax(0), values


class GraphFusion(nn.Module):
    r"""Graph attention, rescaled to the norm of the stock's own state and added to it.

    .. math:: x + g \odot y\, \|x\| / \overline{\|y_j\|}

    The norm is that of the neighbours' values before averaging, so that neighbours with similar values add more than
    neighbours with different ones (and signed heads add in proportion to the correlations). The gate g per channel
    starts at zero, so that switching the graph on changes nothing at first.

    Shapes: as :class:`GraphAttention`, ``-> (day, stock, hidden)``
    """

    def __init__(self, hidden: int, heads: int, attributes: int, dropout: float, signed: int = 0) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(hidden, bias=False)
        self.attention = GraphAttention(hidden, hidden, heads, attributes, dropout, signed)
        self.gate = nn.Parameter(torch.zeros(hidden))

    def forward(self, x: Tensor, neighbours: Tensor, edges: Tensor) -> Tensor:
        """Add the gated output of the graph attention."""
        output, norm = self.attention.attend_with_norm(self.norm(x), neighbours, edges)
        return x + self.gate.tanh() * rescale_norm(output, norm, x)


def rescale_norm(output: Tensor, norm: Tensor, x: Tensor) -> Tensor:
    """Rescale an output of the given norm (…, 1) to the norm of ``x``."""
    return output * (x.norm(dim=-1, keepdim=True) / norm.clamp(min=1e-6))
