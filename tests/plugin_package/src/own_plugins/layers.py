"""Graph layers: a module on nodes and edges, as the convolutions of PyTorch Geometric."""

from torch import Tensor
from torch.nn import Linear
from torch_geometric.nn import MessagePassing


class MeanOfNeighbours(MessagePassing):
    """A linear map of a stock's state plus one of the mean of its neighbours."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(aggr="mean")
        self.own, self.neighbours = Linear(in_channels, out_channels), Linear(in_channels, out_channels)

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        """Compute the output of each node."""
        return self.own(x) + self.neighbours(self.propagate(edge_index, x=x))
