"""Graph attention: what a day's neighbours say to a stock."""

import torch
from torch import Tensor, nn
from torch.nn import functional

SELF_EDGE = 1.0  # every attribute of a stock's edge to itself
EDGE_SPREAD = 2.0  # of the first weights of the edges' attributes
LOUDNESS = 15.0  # of what is heard by correlation: a return's with those of the day before are below 0.2


class GraphAttention(nn.Module):
    r"""Attend to the day's neighbours and to oneself.

    .. math:: \sum_j \mathrm{softmax}_j(a^\top \mathrm{LeakyReLU}(W_l h_i + W_r h_j + W_e e_{ij}))\, W_r h_j

    GATv2 ("How Attentive are Graph Attention Networks?", Brody et al., 2022), with the same numbers as PyTorch
    Geometric's ``GATv2Conv``. Ours gathers the K neighbours of every stock densely, for K is the same for all.

    The last ``signed`` heads attend to nobody: they hear each neighbour by the edge's correlation c, their first
    attribute, so that what goes the other way is heard the other way round, which no softmax can say.

    .. math:: \frac{15}{|N_i|} \sum_{j \in N_i} c_{ij} W_r h_j

    Shapes: ``(day, stock, hidden)``, neighbours ``(day, stock, neighbour)``, edges ``(day, stock, neighbour,
    attribute) -> (day, stock, size)``
    """

    def __init__(self, hidden: int, size: int, heads: int, attributes: int, dropout: float, signed: int = 0) -> None:
        super().__init__()
        self.heads, self.signed, self.dropout = heads, signed, dropout
        attended = (heads - signed) * (size // heads)
        self.target = nn.Linear(hidden, attended)
        self.source = nn.Linear(hidden, size)
        self.edge = nn.Linear(attributes, attended, bias=False)
        self.attention = nn.Parameter(torch.empty(heads - signed, size // heads))
        self.bias = nn.Parameter(torch.zeros(size))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Start with the plain mean of the neighbours, and ready to weigh them by their edges, which differ little."""
        nn.init.zeros_(self.attention)
        nn.init.normal_(self.edge.weight, std=EDGE_SPREAD)

    def forward(self, x: Tensor, neighbours: Tensor, edges: Tensor) -> Tensor:
        """Hear the neighbours."""
        return self.listen(x, neighbours, edges)[0]

    def listen(self, x: Tensor, neighbours: Tensor, edges: Tensor) -> tuple[Tensor, Tensor]:
        """Hear the neighbours, and measure how long what each says is, on average (day, stock, 1)."""
        weight, heard = self.attend(x, neighbours, edges)
        signed = self.weigh_by_correlation(neighbours, edges.to(weight.dtype))
        kept = functional.dropout(torch.cat([weight, signed], -1), self.dropout, self.training)
        said = (kept.unsqueeze(-1) * self.by_head(heard)).sum(0).flatten(-2) + self.bias
        length = (weight.mean(-1, keepdim=True) * heard.square().sum(-1, keepdim=True)).sum(0).sqrt()
        return said, length

    def weigh_by_correlation(self, neighbours: Tensor, edges: Tensor) -> Tensor:
        """Weigh oneself with nothing and each neighbour by its edge (1 + neighbour, day, stock, signed head)."""
        there = neighbours >= 0
        share = LOUDNESS / there.sum(-1, keepdim=True).clamp(min=1)
        weight = functional.pad((edges[..., 0] * share).where(there, 0).permute(2, 0, 1), (0, 0, 0, 0, 1, 0))
        return weight.unsqueeze(-1).expand(-1, -1, -1, self.signed)

    def attend(self, x: Tensor, neighbours: Tensor, edges: Tensor) -> tuple[Tensor, Tensor]:
        """Weigh oneself and each neighbour (1 + neighbour, day, stock, attending head); the rest is what they say.

        The neighbours' axis comes first, so that all that is shared or summed over it runs over whole rows; and all
        but the projections is elementwise, so that a compiler makes one loop of it.
        """
        days, stocks, _ = x.shape
        myself = torch.arange(stocks, device=x.device).expand(1, days, -1)
        others = torch.cat([myself, neighbours.permute(2, 0, 1)])  # (1 + neighbour, day, stock)
        edges = edges.permute(2, 0, 1, 3).to(x.dtype)
        attributes = torch.cat([torch.full_like(edges[:1], SELF_EDGE), edges])
        place = others.clamp(min=0) + stocks * torch.arange(days, device=x.device).unsqueeze(1)
        heard = functional.embedding(place, self.source(x).flatten(0, 1))  # (1 + neighbour, day, stock, size)
        asked = heard[..., : self.target.out_features]
        mixed = functional.leaky_relu(self.target(x) + asked + self.edge(attributes), 0.2)
        score = (mixed.unflatten(-1, self.attention.shape) * self.attention).sum(-1)
        return score.masked_fill((others < 0).unsqueeze(-1), -torch.inf).softmax(0), heard

    def by_head(self, x: Tensor) -> Tensor:
        """Split channels (..., size) into those of each head (..., head, channel)."""
        return x.unflatten(-1, (self.heads, -1))


class GraphFusion(nn.Module):
    r"""Add what the graph says at the length of what the stock itself says.

    .. math:: x + g \odot y\, \|x\| / \overline{\|y_j\|}

    with the length that the neighbours' messages have before they are averaged, so that neighbours who agree are
    louder than those who do not (and what signed heads hear is as loud as its correlation is large), and a gate g per
    channel that starts at zero, so that switching the graph on changes nothing at first.

    Shapes: as :class:`GraphAttention`, ``-> (day, stock, hidden)``
    """

    def __init__(self, hidden: int, heads: int, attributes: int, dropout: float, signed: int = 0) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(hidden, bias=False)
        self.attention = GraphAttention(hidden, hidden, heads, attributes, dropout, signed)
        self.gate = nn.Parameter(torch.zeros(hidden))

    def forward(self, x: Tensor, neighbours: Tensor, edges: Tensor) -> Tensor:
        """Fuse."""
        said, length = self.attention.listen(self.norm(x), neighbours, edges)
        return x + self.gate.tanh() * rescale_norm(said, length, x)


def rescale_norm(said: Tensor, length: Tensor, x: Tensor) -> Tensor:
    """Scale what has a ``length`` (…, 1) to the length of ``x``."""
    return said * (x.norm(dim=-1, keepdim=True) / length.clamp(min=1e-6))
