"""Graph convolutions: equal to PyTorch Geometric on single days, and independent of order and padding."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import pad
from torch_geometric.nn import GATv2Conv, GCNConv, GINConv

from atft_kedro import plugins
from atft_kedro.network.atft import Atft
from atft_kedro.network.convolution import GraphConvolution, make_convolution, require_usable_layer
from atft_kedro.network.gat import GraphAttention, make_graph_layer
from atft_kedro.network.params import NetworkParams
from atft_kedro.panel.blocks import Block
from atft_kedro.params import InputError
from factories.blocks import random_block
from factories.params import make_params

SIZES = {"hidden_size": 16, "lookback": 12, "heads": 2, "layers": 1, "fan_window": 4, "fan_channels": 8}
GEOMETRIC = "torch_geometric.nn"
NAMES = ("GATv2Conv", "TransformerConv", "GCNConv", "SAGEConv", "ResGatedGraphConv")
LAYERS = [f"{GEOMETRIC}:{name}" for name in NAMES]
OWN = f"{__name__}:SumOfNeighbours"


class SumOfNeighbours(GINConv):
    """A user's layer."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(nn.Linear(in_channels, out_channels))


@pytest.fixture(autouse=True)
def permit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "_permitted", {OWN})


def make_network_params(layer: str, **arguments: object) -> NetworkParams:
    return make_params(NetworkParams, **SIZES, graph_heads=2, graph_layer=layer, graph_layer_arguments=arguments)


def make_layer(layer: str, **arguments: object) -> GraphConvolution:
    torch.manual_seed(0)
    return make_convolution(make_network_params(layer, **arguments), 3).eval()


def check(layer: str, **arguments: object) -> None:
    params = make_network_params(layer, **arguments)
    convolution = make_convolution(params, 3)
    require_usable_layer(convolution, params, 3)
    assert convolution.training


def make_inputs() -> tuple[Tensor, Block]:
    block = random_block(stocks=9, days=2, neighbours=4)
    block.neighbours[0, 3, 2:] = -1
    block.neighbours[1, 5] = -1
    block.neighbours[block.neighbours == torch.arange(9).view(1, 9, 1)] = -1  # no stock is its own neighbour
    edges = block.edges.masked_fill((block.neighbours < 0).unsqueeze(-1), 0)
    return torch.randn(2, 9, 16, generator=torch.Generator().manual_seed(3)), replace(block, edges=edges)


def list_edges_of_day(block: Block, day: int, *, has_self_edges: bool) -> tuple[Tensor, Tensor]:
    edges, attributes = [], []
    for stock in range(9):
        if has_self_edges:
            edges.append((stock, stock))
            attributes.append(torch.ones(3))
        for column, other in enumerate(block.neighbours[day, stock].tolist()):
            if other >= 0:
                edges.append((other, stock))
                attributes.append(block.edges[day, stock, column].float())
    return torch.tensor(edges).t(), torch.stack(attributes)


def copy_weights(attention: GraphAttention, layer: GATv2Conv) -> None:
    """Give PyTorch Geometric's layer the weights of ours, drawn anew, because some of ours start at zero."""
    with torch.no_grad():
        for weight in attention.parameters():
            weight.normal_(std=0.3)
        layer.lin_l.load_state_dict(attention.source.state_dict())
        layer.lin_r.load_state_dict(attention.target.state_dict())
        layer.lin_edge.load_state_dict(attention.edge.state_dict())
        layer.att.copy_(attention.attention.unsqueeze(0))
        layer.bias.copy_(attention.bias)


def test_gatv2_conv_is_the_graph_attention() -> None:
    x, block = make_inputs()
    attention = GraphAttention(16, 16, heads=2, attributes=3, dropout=0.0)
    convolution = make_layer(f"{GEOMETRIC}:GATv2Conv")
    copy_weights(attention, convolution.layer)

    expected = attention(x, block.neighbours, block.edges)

    assert torch.allclose(convolution(x, block.neighbours, block.edges), expected, atol=1e-5)
    for day in range(2):
        edges, attributes = list_edges_of_day(block, day, has_self_edges=True)
        assert torch.allclose(convolution.layer(x[day], edges, attributes), expected[day], atol=1e-5)


def test_gcn_reads_positive_correlations_and_sage_no_attributes() -> None:
    x, block = make_inputs()
    block.edges[..., 0] -= 0.5 * (block.neighbours >= 0)
    gcn, sage = make_layer(f"{GEOMETRIC}:GCNConv"), make_layer(f"{GEOMETRIC}:SAGEConv", aggr="max")
    reference = GCNConv(16, 16)  # adds the edges from stocks to themselves
    reference.load_state_dict(gcn.layer.state_dict())

    for day in range(2):
        edges, attributes = list_edges_of_day(block, day, has_self_edges=False)
        expected = reference(x[day], edges, attributes[:, 0].clamp(min=0))
        assert torch.allclose(gcn(x, block.neighbours, block.edges)[day], expected, atol=1e-5)
        expected = sage.layer(x[day], edges)
        assert torch.allclose(sage(x, block.neighbours, block.edges)[day], expected, atol=1e-5)


@pytest.mark.parametrize("name", [*LAYERS, OWN])
def test_order_and_padding_change_no_output(name: str) -> None:
    x, block = make_inputs()
    layer = make_layer(name)
    order = torch.tensor([4, 2, 0, 8, 1, 3, 7, 5, 6])  # new stock i is old stock order[i]
    renamed = torch.argsort(order)[block.neighbours[:, order].clamp(min=0)]
    renamed = renamed.where(block.neighbours[:, order] >= 0, -1)

    expected = layer(x, block.neighbours, block.edges)
    permuted = layer(x[:, order], renamed, block.edges[:, order])
    wider = layer(x, pad(block.neighbours, (0, 3), value=-1), pad(block.edges, (0, 0, 0, 3)))
    padding = pad(block.neighbours, (0, 0, 0, 2, 0, 1), value=-1)  # stocks and a day without neighbours
    larger = layer(pad(x, (0, 0, 0, 2, 0, 1), value=9.0), padding, pad(block.edges, (0, 0, 0, 0, 0, 2, 0, 1)))

    assert expected.std() > 1e-3
    assert torch.allclose(permuted, expected[:, order], atol=1e-5)
    assert torch.allclose(wider, expected, atol=1e-5)
    assert torch.allclose(larger[:2, :9], expected, atol=1e-5)


@pytest.mark.parametrize("name", [*LAYERS, OWN])
def test_a_new_layer_changes_nothing_and_learns(name: str) -> None:
    torch.manual_seed(1)
    network, block = Atft(make_network_params(name), 6, (1, 5), 3), random_block()
    modules = frozenset({"fan", "gat"})
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    moved = {name: False for name, _ in network.gat.named_parameters()}
    assert torch.equal(network(block, modules), network(block, frozenset({"fan"})))

    for _ in range(3):
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            forecast = network(block, modules)
        (forecast.float() - torch.randn(5, 7, 2, 5)).square().mean().backward()
        for weight_name, weight in network.gat.named_parameters():
            moved[weight_name] |= weight.grad is not None and bool(weight.grad.abs().max() > 0)
        optimizer.step()

    assert network(block, modules).isfinite().all()
    assert [weight_name for weight_name, has_moved in moved.items() if not has_moved] == []


@pytest.mark.parametrize(
    ("layer", "arguments", "message"),
    [
        ("GATv2Conv", {"heads": 3}, "its output is (5, 15) instead of (5, 16)"),
        ("GATv2Conv", {"hads": 3}, "unexpected keyword argument 'hads'"),
        ("GATv2Conv", {"heads": 0}, "division or modulo by zero"),
        ("GINConv", {}, "missing 1 required positional argument: 'nn'"),
        ("GCNConv", {"cached": True}, "cached must be false, because each block has other edges"),
        ("BatchNorm", {}, "torch_geometric.nn:BatchNorm is not a graph convolution"),
        ("Sequential", {}, "torch_geometric.nn:Sequential is not a graph convolution"),
    ],
)
def test_unusable_layers_are_refused(layer: str, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=f"network.graph_layer {GEOMETRIC}:{layer} |_arguments: cached") as caught:
        check(f"{GEOMETRIC}:{layer}", **arguments)

    assert message in str(caught.value)


class NumberOfNode(SumOfNeighbours):
    """Adds the position of a stock."""

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        return super().forward(x, edge_index) + torch.arange(len(x)).unsqueeze(1)


class MeanOfNodes(SumOfNeighbours):
    """Subtracts the mean of all nodes."""

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        return super().forward(x - x.mean(0), edge_index)


def test_layers_that_depend_on_order_or_padding_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = {"NumberOfNode": "depends on the order", "MeanOfNodes": "depends on stocks that are not its neighbours"}
    monkeypatch.setattr(plugins, "_permitted", {f"{__name__}:{name}" for name in refused})
    for name, message in refused.items():
        with pytest.raises(InputError, match=message):
            check(f"{__name__}:{name}")
    for name in LAYERS:
        check(name)
    require_usable_layer(nn.Identity(), make_network_params(LAYERS[0]), 3)


def test_the_arguments_of_the_user_come_first() -> None:
    layer = make_layer(f"{GEOMETRIC}:GATv2Conv", heads=4, add_self_loops=True, edge_dim=None, share_weights=True)
    x, block = make_inputs()

    assert (layer.layer.heads, layer.layer.out_channels, layer.has_self_edges) == (4, 4, False)
    assert layer(x, block.neighbours, block.edges).isfinite().all()
    assert isinstance(make_graph_layer(make_params(NetworkParams, **SIZES), 3), GraphAttention)
