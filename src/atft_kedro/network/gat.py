"""Graph attention over each day's neighbours."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..chunks import count_days_at_once
from .convolution import SELF_EDGE_ATTRIBUTE, GraphConvolution, make_convolution
from .params import GATV2, NetworkParams

EDGE_INIT_STD = 2.0  # standard deviation of the initial weights of the edge attributes
SIGNED_SCALE = 15.0  # factor of the signed heads' weights: correlations with earlier returns are small, below 0.2


class GraphAttention(nn.Module):
    r"""Attention of each stock to itself and to its neighbours of the day.

    .. math:: \sum_j \mathrm{softmax}_j(a^\top \mathrm{LeakyReLU}(W_l h_i + W_r h_j + W_e e_{ij}))\, W_r h_j

    GATv2 ("How Attentive are Graph Attention Networks?", Brody et al., 2022). Without signed heads, the output is that
    of PyTorch Geometric's ``GATv2Conv``. This class gathers K neighbours per stock as a dense tensor, because K is the
    same for all.

    The last ``signed_heads`` heads have no softmax: the weight of a neighbour is the edge's correlation c, its first
    attribute. So a neighbour that moves the opposite way gets a negative weight, which a softmax cannot give.

    .. math:: \frac{15}{|N_i|} \sum_{j \in N_i} c_{ij} W_r h_j

    Shapes: x ``(day, stock, hidden)``, neighbours ``(day, stock, neighbour)``, edges ``(day, stock, neighbour,
    attribute) -> (day, stock, output_size)``
    """

    def __init__(
        self, hidden: int, output_size: int, heads: int, attributes: int, dropout: float, signed_heads: int = 0
    ) -> None:
        super().__init__()
        self.heads, self.signed_heads, self.dropout = heads, signed_heads, dropout
        softmax_heads, head_size = heads - signed_heads, output_size // heads
        # Saved weights contain the names of these attributes.
        self.target = nn.Linear(hidden, softmax_heads * head_size)  # W_l
        self.source = nn.Linear(hidden, output_size)  # W_r
        self.edge = nn.Linear(attributes, softmax_heads * head_size, bias=False)  # W_e
        self.attention = nn.Parameter(torch.empty(softmax_heads, head_size))  # a
        self.bias = nn.Parameter(torch.zeros(output_size))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Start with equal attention; large edge weights, because edge attributes vary little."""
        nn.init.zeros_(self.attention)
        nn.init.normal_(self.edge.weight, std=EDGE_INIT_STD)

    def forward(self, x: Tensor, neighbours: Tensor, edges: Tensor) -> Tensor:
        """Compute the output of the attention (day, stock, output_size)."""
        return self.attend_with_norm(x, neighbours, edges)[0]

    def attend_with_norm(self, x: Tensor, neighbours: Tensor, edges: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the output, and the root mean square norm of its values (day, stock, 1).

        The squared norms of the values of all heads are averaged with the mean weights of the softmax heads.
        """
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
        return weight.unsqueeze(-1).expand(-1, -1, -1, self.signed_heads)

    def attention_weights(self, x: Tensor, neighbours: Tensor, edges: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the attention weights and the values; the first neighbour is the stock itself.

        Shapes: ``(1 + neighbour, day, stock, softmax head)`` and ``(1 + neighbour, day, stock, output_size)``. The
        axis of neighbours comes first, so that a sum over it reads contiguous memory. Only the projections are matrix
        products, so that a compiler can fuse most of the other operations.
        """
        days, stocks, _ = x.shape
        own_index = torch.arange(stocks, device=x.device).expand(1, days, -1)
        sources = torch.cat([own_index, neighbours.permute(2, 0, 1)])  # (1 + neighbour, day, stock)
        edges = edges.permute(2, 0, 1, 3).to(x.dtype)
        attributes = torch.cat([torch.full_like(edges[:1], SELF_EDGE_ATTRIBUTE), edges])
        index = sources.clamp(min=0) + stocks * torch.arange(days, device=x.device).unsqueeze(1)
        values = functional.embedding(index, self.source(x).flatten(0, 1))  # (1 + neighbour, day, stock, output_size)
        keys = values[..., : self.target.out_features]
        activated = functional.leaky_relu(self.target(x) + keys + self.edge(attributes), 0.2)
        score = (activated.unflatten(-1, self.attention.shape) * self.attention).sum(-1)
        return score.masked_fill((sources < 0).unsqueeze(-1), -torch.inf).softmax(0), values


class GraphFusion(nn.Module):
    r"""Graph attention or convolution, rescaled to the norm of the stock's state and added.

    .. math:: x + \tanh(g) \odot y\, \|x\| / \overline{\|v_j\|},\quad y = \mathrm{GraphAttention}(\mathrm{LayerNorm}(x))

    The divisor is the root mean square norm of the single values v_j of the neighbours j, not the norm of their
    average. So the update is large if the neighbours agree, and small if they differ. The update of the signed heads
    is proportional to the correlations. The divisor of a convolution is the norm of its input.

    The gate g per channel starts at zero, so that the graph changes nothing when it is switched on.

    Shapes: as :class:`GraphAttention`, ``-> (day, stock, hidden)``
    """

    def __init__(self, hidden: int, attention: GraphAttention | GraphConvolution) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(hidden, bias=False)
        self.attention = attention
        self.gate = nn.Parameter(torch.zeros(hidden))

    def forward(self, x: Tensor, neighbours: Tensor, edges: Tensor) -> Tensor:
        """Add the gated output of the attention or convolution, for a few days at a time."""
        days, stocks, hidden = x.shape
        days = count_days_at_once(days, (neighbours.shape[-1] + 1) * stocks * hidden, x.device)
        parts = zip(x.split(days), neighbours.split(days), edges.split(days), strict=True)
        return torch.cat([self._fuse(*part) for part in parts])

    def _fuse(self, x: Tensor, neighbours: Tensor, edges: Tensor) -> Tensor:
        output, value_norm = self.attention.attend_with_norm(self.norm(x), neighbours, edges)
        return x + self.gate.tanh() * rescale_norm(output, value_norm, x)


def rescale_norm(output: Tensor, norm: Tensor, x: Tensor) -> Tensor:
    """Multiply an output by the norm of ``x``, divided by the given norm (…, 1)."""
    return output * (x.norm(dim=-1, keepdim=True) / norm.clamp(min=1e-6))


def make_graph_layer(params: NetworkParams, attributes: int) -> GraphAttention | GraphConvolution:
    """Create the layer ``params.graph_layer``."""
    if params.graph_layer != GATV2:
        return make_convolution(params, attributes)
    hidden, heads = params.hidden_size, params.graph_heads
    return GraphAttention(hidden, hidden, heads, attributes, params.graph_dropout, params.graph_signed_heads)
