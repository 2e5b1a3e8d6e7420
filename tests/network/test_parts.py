"""Each part against an independent reference or a property."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from torch.nn.functional import pad
from torch_geometric.nn import GATv2Conv

from atft_kedro.network.gat import LOUDNESS, GraphAttention, GraphFusion
from atft_kedro.network.gated import LockedDropout
from atft_kedro.network.heads import Heads, in_order
from atft_kedro.network.params import NetworkParams
from atft_kedro.network.temporal import CausalConvolution, WindowAttention
from atft_kedro.network.variable_selection import Selection
from factories.blocks import random_block
from factories.params import make_params


def test_graph_attention_is_pytorch_geometrics() -> None:
    block = random_block(stocks=9, days=2, neighbours=4)
    block.neighbours[0, 3, 2:] = -1
    x = torch.randn(2, 9, 16, generator=torch.Generator().manual_seed(3))
    mine = GraphAttention(16, size=12, heads=3, attributes=3, dropout=0.0)
    theirs = GATv2Conv(16, 4, heads=3, edge_dim=3, add_self_loops=False, negative_slope=0.2)
    with torch.no_grad():
        theirs.lin_l.weight.copy_(mine.source.weight)
        theirs.lin_l.bias.copy_(mine.source.bias)
        theirs.lin_r.weight.copy_(mine.target.weight)
        theirs.lin_r.bias.copy_(mine.target.bias)
        theirs.lin_edge.weight.copy_(mine.edge.weight)
        theirs.att.copy_(mine.attention.unsqueeze(0))
        theirs.bias.copy_(mine.bias)

    heard = mine(x, block.neighbours, block.edges)

    for day in range(2):
        edges, attributes = [], []
        for stock in range(9):
            edges.append((stock, stock))
            attributes.append(torch.ones(3))
            for place, other in enumerate(block.neighbours[day, stock].tolist()):
                if other >= 0:
                    edges.append((other, stock))
                    attributes.append(block.edges[day, stock, place].float())
        expected = theirs(x[day], torch.tensor(edges).t(), torch.stack(attributes))
        assert torch.allclose(heard[day], expected, atol=1e-5)


def test_signed_heads_hear_each_neighbour_by_its_correlation_and_the_others_attend() -> None:
    block = random_block(stocks=9, days=2, neighbours=4)
    block.neighbours[0, 3, 2:] = -1
    x = torch.randn(2, 9, 16, generator=torch.Generator().manual_seed(3))
    mine = GraphAttention(16, size=12, heads=3, attributes=3, dropout=0.0, signed=1)
    plain = GraphAttention(16, size=12, heads=3, attributes=3, dropout=0.0)
    with torch.no_grad():
        plain.source.load_state_dict(mine.source.state_dict())
        for name in ("target", "edge"):
            getattr(plain, name).weight[:8] = getattr(mine, name).weight
        plain.target.bias[:8] = mine.target.bias
        plain.attention[:2] = mine.attention.normal_()

    heard = mine(x, block.neighbours, block.edges)

    assert torch.allclose(heard[..., :8], plain(x, block.neighbours, block.edges)[..., :8], atol=1e-6)
    said = mine.source(x)[..., 8:]
    for day, stock in ((0, 3), (1, 7)):
        expected = torch.zeros(4)
        for place, other in enumerate(block.neighbours[day, stock].tolist()):
            if other >= 0:
                expected += block.edges[day, stock, place, 0].float() * said[day, other] * LOUDNESS
        expected /= (block.neighbours[day, stock] >= 0).sum()
        assert torch.allclose(heard[day, stock, 8:], expected, atol=1e-5)
    turned = mine(x, block.neighbours, -block.edges)[..., 8:]
    assert torch.allclose(turned, -heard[..., 8:], atol=1e-6)
    wider = mine(x, pad(block.neighbours, (0, 3), value=-1), pad(block.edges, (0, 0, 0, 3)))
    assert torch.allclose(wider, heard, atol=1e-6)


def test_the_graph_starts_silent_and_speaks_at_the_stocks_own_length() -> None:
    x = torch.randn(2, 5, 8)
    block = random_block(stocks=5, days=2)
    fusion = GraphFusion(8, heads=2, attributes=3, dropout=0.0)
    assert torch.equal(fusion(x, block.neighbours, block.edges), x)
    nobody = torch.full_like(block.neighbours, -1)  # a stock that hears itself alone

    with torch.no_grad():
        fusion.gate.fill_(20.0)
        loud = fusion(x, nobody, block.edges) - x
        louder = fusion(10 * x, nobody, block.edges) - 10 * x

    assert torch.allclose(loud.norm(dim=-1), x.norm(dim=-1), rtol=1e-5)
    assert torch.allclose(louder, 10 * loud, rtol=1e-3, atol=1e-3)


def test_neighbours_who_agree_are_louder_than_those_who_do_not() -> None:
    fusion = GraphFusion(8, heads=2, attributes=3, dropout=0.0)
    x = torch.randn(1, 3, 8).repeat(1, 1, 1)
    x[0, 1:] = x[0, :1]  # all alike
    neighbours = torch.tensor([[[1, 2], [0, 2], [0, 1]]])
    edges = torch.ones(1, 3, 2, 3)
    apart = x.clone()
    apart[0, 1] = -apart[0, 0]
    with torch.no_grad():
        fusion.gate.fill_(20.0)
        agreed, divided = ((fusion(each, neighbours, edges) - each)[0, 0].norm() for each in (x, apart))

    assert agreed == pytest.approx(x[0, 0].norm().item(), rel=1e-4)
    assert divided < 0.9 * agreed


def attention(window: int = 4) -> WindowAttention:
    layer = WindowAttention(8, heads=2, window=window, dropout=0.0, start=1.0)
    with torch.no_grad():
        layer.by_lag.normal_(generator=torch.Generator().manual_seed(4))
    return layer


def test_attention_sees_its_window_and_nothing_else() -> None:
    x = torch.randn(1, 10, 8, generator=torch.Generator().manual_seed(5))
    layer, present = attention(), torch.ones(1, 10, dtype=torch.bool)
    moved = x.clone()
    moved[0, 5] = torch.randn(8)

    changed = (layer(moved, present) - layer(x, present)).abs().amax(-1)[0] > 1e-6

    assert changed.tolist() == [False, False, True, True, True, True, False]  # steps 3 … 9 remain


def test_attention_weighs_by_content_lag_and_presence() -> None:
    x = torch.randn(2, 10, 8, generator=torch.Generator().manual_seed(6))
    layer, present = attention(), torch.ones(2, 10, dtype=torch.bool)
    present[1, :5] = False

    weights = layer.weights(x, present)

    query, key, _ = layer.project(x, present)
    assert weights.shape == (2, 2, 7, 4)
    assert torch.allclose(weights.sum(-1), torch.ones(2, 2, 7), atol=1e-5)
    assert weights[1, :, 2, 1:].max() < 1e-6  # at step 5 only the step itself is there
    score = (query[0, 1, 3] @ key[0, 1, 3:7].t() * 0.5).softmax(-1).flip(0)
    assert torch.allclose(weights[0, 1, 3], score, atol=1e-5)


def test_the_bias_depends_on_the_lag_alone() -> None:
    layer = attention(window=6)
    with torch.no_grad():
        layer.query.weight.zero_()
        layer.query.bias.zero_()
    x = torch.randn(1, 30, 8)

    weights = layer.weights(x, torch.ones(1, 30, dtype=torch.bool))

    assert (weights - weights[:, :, :1]).abs().max() < 1e-5
    assert weights.std(-1).min() > 1e-3


def test_the_convolution_is_torchs() -> None:
    layer = CausalConvolution(6, kernel=3, start=1.0)
    x = torch.randn(2, 9, 6)
    weight = layer.taps.weight.view(3, 6, 6).permute(1, 2, 0)  # (out, in, tap)

    expected = torch.nn.functional.conv1d(layer.norm(x).transpose(1, 2), weight).transpose(1, 2)

    assert torch.allclose(layer(x), x[:, 2:] + torch.nn.functional.elu(expected), atol=1e-5)


def test_selection_weighs_to_one_on_average_and_starts_nearly_even() -> None:
    block = random_block()
    selection = Selection(6, 16, 8)
    x = selection.fill(block)

    weights = selection.weights(x, block)

    assert torch.allclose(weights.mean(-1), torch.ones(weights.shape[:2]), atol=1e-5)
    assert (weights - 1).abs().max() < 0.2


def test_without_its_gate_the_market_weighs_no_feature() -> None:
    block = random_block(stocks=6, days=2, neighbours=2)
    other = replace(block, market=block.market + 3)
    features = block.features.shape[-1]

    with_gate, without = (Selection(features, 8, 4, market_gate=on) for on in (True, False))
    for selection in (with_gate, without):
        torch.nn.init.normal_(selection.weigh.weight)
    assert not torch.allclose(with_gate(block), with_gate(other))
    assert torch.equal(without(block), without(other))
    assert {name for name, _ in with_gate.named_parameters()} - {name for name, _ in without.named_parameters()} == {
        "market.weight"
    }


def test_a_missing_feature_has_its_learned_value() -> None:
    block = random_block()
    block.features[2, 4, 1] = torch.nan
    selection = Selection(6, 16, 8)
    with torch.no_grad():
        selection.missing[1] = 7.0

    assert selection.fill(block)[2, 4, 1] == 7
    assert selection(block).isfinite().all()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-30, 30), min_size=5, max_size=5))
def test_quantiles_never_cross(raw: list[float]) -> None:
    made = in_order(torch.tensor(raw), middle=2)

    assert (made.diff() >= 0).all()
    assert made[2] == torch.tensor(raw)[2]


def test_locked_dropout_drops_whole_channels_of_a_sequence() -> None:
    torch.manual_seed(0)
    dropped = LockedDropout(0.5)(torch.ones(4, 6, 10))

    assert set(dropped.unique().tolist()) == {0, 2}
    assert torch.equal(dropped, dropped[:, :1].expand_as(dropped))
    assert torch.equal(LockedDropout(0.5).eval()(torch.ones(2, 3, 4)), torch.ones(2, 3, 4))


def test_head_dropout_drops_other_channels_of_each_stock_and_the_same_again_for_a_seed() -> None:
    x = torch.ones(3, 5, 64)
    heads = Heads(make_params(NetworkParams, head_dropout=0.5, layer_scale=1.0), horizons=2)

    torch.manual_seed(0)
    forecast = heads(x).detach()
    torch.manual_seed(0)
    again = heads(x).detach()

    assert len(forecast.flatten(0, 1).unique(dim=0)) == 3 * 5
    assert torch.equal(forecast, again)
    assert len(heads.eval()(x).detach().flatten(0, 1).unique(dim=0)) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"hidden_size": 64, "heads": 5},
        {"lookback": 10},
        {"fan_k": 8},
        {"fan_channels": 100},
        {"quantiles": [0.1, 0.9]},
        {"quantiles": [0.5, 0.1]},
    ],
)
def test_sizes_that_do_not_fit_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        make_params(NetworkParams, **wrong)
