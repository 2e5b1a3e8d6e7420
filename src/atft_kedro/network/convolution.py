"""Graph convolutions of PyTorch Geometric, or of the user, on each day's neighbours."""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
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
        if output.shape != nodes.shape:
            raise ValueError(f"its output is {tuple(output.shape)} instead of {tuple(nodes.shape)}")
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
    """Create the convolution ``graph_layer`` with its arguments.

    Arguments that the layer takes and the user does not give: the sizes of its input, output and edges, ``heads``,
    ``dropout``, and ``add_self_loops``, which is false because the edges from stocks to themselves exist already.
    """
    hidden, arguments = params.hidden_size, params.graph_layer_arguments
    layer_class = _load_class(params.graph_layer)
    defaults: dict[str, Any] = {"in_channels": hidden, "edge_dim": attributes, "heads": params.graph_heads}
    defaults |= {"dropout": params.graph_dropout, "add_self_loops": False}
    if arguments.get("cached"):
        raise InputError("network.graph_layer_arguments: cached must be false, because each block has other edges.")
    with _explain_errors(params):
        accepted = inspect.signature(layer_class).parameters
        arguments = {key: value for key, value in defaults.items() if key in accepted} | arguments
        if "out_channels" in accepted:
            parts = arguments.get("heads", 1) if arguments.get("concat", "concat" in accepted) else 1
            arguments = {"out_channels": hidden // parts} | arguments
        return GraphConvolution(
            layer_class(**arguments),
            has_self_edges="add_self_loops" in accepted and not arguments["add_self_loops"],
            reads_edges=arguments.get("edge_dim", attributes) is not None,
        )


@contextmanager
def _explain_errors(params: NetworkParams) -> Iterator[None]:
    """Name the layer and its arguments in an error that is due to them."""
    try:
        yield
    except (TypeError, ValueError, AttributeError, ArithmeticError, RuntimeError) as error:
        used = f"{params.graph_layer} cannot be used with {params.graph_layer_arguments}"
        raise InputError(f"network.graph_layer {used}: {error}.") from error


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
def require_usable_layer(layer: nn.Module, params: NetworkParams, attributes: int) -> None:
    """Refuse a convolution of a wrong size, or that depends on order or on absent stocks."""
    if not isinstance(layer, GraphConvolution):
        return
    random, was_training = torch.Generator().manual_seed(0), layer.training
    x = torch.randn(1, 4, params.hidden_size, generator=random)
    edges = torch.rand(1, 4, 2, attributes, generator=random)
    neighbours = torch.tensor([[[1, 2], [2, 3], [0, -1], [-1, -1]]])
    reversed_neighbours = (3 - neighbours.flip(1)).where(neighbours.flip(1) >= 0, -1)
    padded_inputs = functional.pad(x, (0, 0, 0, 1), value=9.0), functional.pad(neighbours, (0, 1, 0, 1), value=-1)
    with _explain_errors(params):
        expected = layer.eval()(x, neighbours, edges)
        in_reverse = layer(x.flip(1), reversed_neighbours, edges.flip(1)).flip(1)
        padded = layer(*padded_inputs, functional.pad(edges, (0, 0, 0, 1, 0, 1)))[:, :4]
        layer.train(was_training)
        for output, cause in ((in_reverse, "the order of the stocks"), (padded, "stocks that are not its neighbours")):
            if not torch.allclose(output, expected, atol=1e-4):
                raise ValueError(f"the output of a stock depends on {cause}")
