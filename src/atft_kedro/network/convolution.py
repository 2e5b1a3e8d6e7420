"""Graph convolutions of PyTorch Geometric, or of the user, on each day's neighbours."""

import inspect
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..params import InputError
from ..plugins import GEOMETRIC, load_plugin
from .params import NetworkParams

SELF_EDGE_ATTRIBUTE = 1.0  # value of every attribute of the edge from a stock to itself


class GraphConvolution(nn.Module):
    """A convolution that reads a list of edges, on the neighbours of all days of a block.

    Each stock of each day is a node, and each edge goes from a neighbour to the stock. An absent neighbour is an edge
    from one extra node to itself, so all shapes are fixed. A convolution with the argument ``edge_attr`` reads all
    attributes of the edges; one with ``edge_weight`` reads the correlation, and 0 where it is negative, because degrees
    are sums of weights. With ``has_self_edges`` each stock has an edge to itself, with `SELF_EDGE_ATTRIBUTE`.

    Shapes: as :class:`~.gat.GraphAttention`, with ``output_size`` equal to ``hidden``
    """

    def __init__(self, layer: nn.Module, *, has_self_edges: bool, reads_edges: bool = True) -> None:
        super().__init__()
        self.layer, self.has_self_edges = layer, has_self_edges
        accepted = inspect.signature(layer.forward).parameters if reads_edges else ()
        self.edge_argument = next((name for name in ("edge_attr", "edge_weight") if name in accepted), None)

    def forward(self, x: Tensor, neighbours: Tensor, edges: Tensor) -> Tensor:
        """Compute the output of the convolution (day, stock, hidden)."""
        edge_index, attributes = list_edges(neighbours, edges.to(x.dtype), has_self_edges=self.has_self_edges)
        weights = {"edge_attr": attributes, "edge_weight": attributes[:, 0].clamp(min=0)}
        chosen = {} if self.edge_argument is None else {self.edge_argument: weights[self.edge_argument]}
        nodes = functional.pad(x.flatten(0, 1), (0, 0, 0, 1))
        output = self.layer(nodes, edge_index, **chosen)
        if not isinstance(output, Tensor) or output.shape != nodes.shape:
            found = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
            raise InputError(f"its output is {found} instead of {tuple(nodes.shape)}, hidden_size values per node")
        return output[:-1].view_as(x)

    def attend_with_norm(self, x: Tensor, neighbours: Tensor, edges: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the output, and the norm of the input (day, stock, 1)."""
        return self(x, neighbours, edges), x.norm(dim=-1, keepdim=True)


def list_edges(neighbours: Tensor, edges: Tensor, *, has_self_edges: bool) -> tuple[Tensor, Tensor]:
    """List the edges from neighbours to stocks, and their attributes.

    Shapes: ``(2, edge)`` and ``(edge, attribute)``. The node of a stock is ``day * stocks + stock``; an absent edge
    connects the node after the last one to itself.
    """
    days, stocks, _ = neighbours.shape
    node = torch.arange(days * stocks, device=neighbours.device).view(days, stocks, 1)
    if has_self_edges:
        own_index = torch.arange(stocks, device=neighbours.device).view(1, -1, 1).expand(days, -1, -1)
        neighbours = torch.cat([own_index, neighbours], -1)
        edges = functional.pad(edges, (0, 0, 1, 0), value=SELF_EDGE_ATTRIBUTE)
    is_absent = neighbours < 0
    first = stocks * torch.arange(days, device=neighbours.device).view(-1, 1, 1)
    source = (neighbours + first).masked_fill(is_absent, days * stocks)
    target = node.expand_as(neighbours).masked_fill(is_absent, days * stocks)
    return torch.stack([source.flatten(), target.flatten()]), edges.flatten(0, 2)


def make_convolution(params: NetworkParams, attributes: int) -> GraphConvolution:
    """Create the convolution ``graph_layer`` with its arguments; refuse one that cannot be used.

    Arguments that the layer takes and the user does not give: the sizes of its input, output and edges, ``heads``,
    ``dropout``, and ``add_self_loops``, which is false because the edges from stocks to themselves exist already.
    """
    name, hidden = params.graph_layer, params.hidden_size
    layer_class = _load_class(name)
    defaults: dict[str, Any] = {"in_channels": hidden, "edge_dim": attributes, "heads": params.graph_heads}
    defaults |= {"dropout": params.graph_dropout, "add_self_loops": False}
    arguments: dict[str, Any] = params.graph_layer_arguments
    if arguments.get("cached"):
        raise InputError("network.graph_layer_arguments: cached must be false, because each block has other edges.")
    try:
        accepted = inspect.signature(layer_class).parameters
        arguments = {key: value for key, value in defaults.items() if key in accepted} | arguments
        if "out_channels" in accepted:
            parts = arguments.get("heads", 1) if arguments.get("concat", "concat" in accepted) else 1
            arguments = {"out_channels": hidden // parts} | arguments
        convolution = GraphConvolution(
            layer_class(**arguments),
            has_self_edges="add_self_loops" in accepted and not arguments["add_self_loops"],
            reads_edges=arguments.get("edge_dim", attributes) is not None,
        )
        _require_shapes(convolution.eval(), hidden, attributes)
    except (TypeError, ValueError, AttributeError, ArithmeticError, RuntimeError) as error:
        raise InputError(f"network.graph_layer {name} cannot be used with {arguments}: {error}.") from error
    return convolution.train()


def _load_class(name: str) -> type[nn.Module]:
    """Load a layer's class; of PyTorch Geometric only convolutions, because a stored file could name any class."""
    layer_class: type[nn.Module] = load_plugin(name, "graph_layers", type)
    expected: type[nn.Module] = nn.Module
    if name.startswith(f"{GEOMETRIC}:"):
        from torch_geometric.nn import MessagePassing

        expected = MessagePassing
    if not issubclass(layer_class, expected):
        raise InputError(f"network.graph_layer {name} is not a graph convolution.")
    return layer_class


@torch.no_grad()
def _require_shapes(convolution: GraphConvolution, hidden: int, attributes: int) -> None:
    """Compute two stocks, of which one has a neighbour."""
    convolution(torch.zeros(1, 2, hidden), torch.tensor([[[1], [-1]]]), torch.ones(1, 2, 1, attributes))


@torch.no_grad()
def require_independence(layer: nn.Module, hidden: int, attributes: int) -> None:
    """Refuse a convolution that depends on the order of stocks, or on absent ones."""
    if not isinstance(layer, GraphConvolution):
        return
    random, name = torch.Generator().manual_seed(0), type(layer.layer).__name__
    x, edges = torch.randn(1, 4, hidden, generator=random), torch.rand(1, 4, 2, attributes, generator=random)
    neighbours = torch.tensor([[[1, 2], [2, 3], [0, -1], [-1, -1]]])
    reversed_neighbours = (3 - neighbours.flip(1)).where(neighbours.flip(1) >= 0, -1)
    was_training = layer.training
    expected = layer.eval()(x, neighbours, edges)
    in_reverse = layer(x.flip(1), reversed_neighbours, edges.flip(1)).flip(1)
    padded_inputs = functional.pad(x, (0, 0, 0, 1), value=9.0), functional.pad(neighbours, (0, 1, 0, 1), value=-1)
    padded = layer(*padded_inputs, functional.pad(edges, (0, 0, 0, 1, 0, 1)))[:, :4]
    layer.train(was_training)
    if not torch.allclose(in_reverse, expected, atol=1e-4):
        raise InputError(f"network.graph_layer {name}: the output of a stock depends on the order of the stocks.")
    if not torch.allclose(padded, expected, atol=1e-4):
        raise InputError(
            f"network.graph_layer {name}: the output of a stock depends on stocks that are not its neighbours."
        )
