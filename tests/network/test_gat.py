"""Graph attention and its fusion."""

import pytest
import torch
from torch.nn.functional import pad

from atft_kedro import chunks
from atft_kedro.network.gat import SIGNED_SCALE, GraphAttention, GraphFusion
from factories.blocks import random_block


def test_signed_heads_weigh_neighbours_by_correlation_and_the_others_attend() -> None:
    block = random_block(stocks=9, days=2, neighbours=4)
    block.neighbours[0, 3, 2:] = -1
    x = torch.randn(2, 9, 16, generator=torch.Generator().manual_seed(3))
    attention = GraphAttention(16, output_size=12, heads=3, attributes=3, dropout=0.0, signed_heads=1)
    plain = GraphAttention(16, output_size=12, heads=3, attributes=3, dropout=0.0)
    with torch.no_grad():
        plain.source.load_state_dict(attention.source.state_dict())
        for name in ("target", "edge"):
            getattr(plain, name).weight[:8] = getattr(attention, name).weight
        plain.target.bias[:8] = attention.target.bias
        plain.attention[:2] = attention.attention.normal_()

    attended = attention(x, block.neighbours, block.edges)

    assert torch.allclose(attended[..., :8], plain(x, block.neighbours, block.edges)[..., :8], atol=1e-6)
    output = attention.source(x)[..., 8:]
    for day, stock in ((0, 3), (1, 7)):
        expected = torch.zeros(4)
        for column, other in enumerate(block.neighbours[day, stock].tolist()):
            if other >= 0:
                expected += block.edges[day, stock, column, 0].float() * output[day, other] * SIGNED_SCALE
        expected /= (block.neighbours[day, stock] >= 0).sum()
        assert torch.allclose(attended[day, stock, 8:], expected, atol=1e-5)
    turned = attention(x, block.neighbours, -block.edges)[..., 8:]
    assert torch.allclose(turned, -attended[..., 8:], atol=1e-6)
    wider = attention(x, pad(block.neighbours, (0, 3), value=-1), pad(block.edges, (0, 0, 0, 3)))
    assert torch.allclose(wider, attended, atol=1e-6)


def test_the_graph_adds_nothing_at_first_and_then_at_the_norm_of_the_stock() -> None:
    x = torch.randn(2, 5, 8)
    block = random_block(stocks=5, days=2)
    fusion = GraphFusion(8, GraphAttention(8, 8, heads=2, attributes=3, dropout=0.0))
    assert torch.equal(fusion(x, block.neighbours, block.edges), x)
    no_neighbours = torch.full_like(block.neighbours, -1)  # each stock attends only to itself

    with torch.no_grad():
        fusion.gate.fill_(20.0)
        loud = fusion(x, no_neighbours, block.edges) - x
        louder = fusion(10 * x, no_neighbours, block.edges) - 10 * x

    assert torch.allclose(loud.norm(dim=-1), x.norm(dim=-1), rtol=1e-5)
    assert torch.allclose(louder, 10 * loud, rtol=1e-3, atol=1e-3)


def test_a_few_days_at_a_time_have_the_same_outputs_and_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    block = random_block(stocks=7, days=5)
    fusion = GraphFusion(8, GraphAttention(8, 8, heads=4, attributes=3, dropout=0.0, signed_heads=1))
    for values in (fusion.gate, fusion.attention.attention):
        torch.nn.init.normal_(values)
    x = torch.randn(5, 7, 8)

    def compute() -> list[torch.Tensor]:
        inputs = x.clone().requires_grad_()
        output = fusion(inputs, block.neighbours, block.edges)
        return [output, *torch.autograd.grad(output.square().sum(), [inputs, *fusion.parameters()])]

    whole = compute()
    monkeypatch.setattr(chunks, "CHUNK_VALUES", 2 * (block.neighbours.shape[-1] + 1) * 7 * 8)  # two days

    for one, other in zip(whole, compute(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


def test_neighbours_with_similar_values_add_more_than_different_ones() -> None:
    fusion = GraphFusion(8, GraphAttention(8, 8, heads=2, attributes=3, dropout=0.0))
    x = torch.randn(1, 3, 8).repeat(1, 1, 1)
    x[0, 1:] = x[0, :1]  # all alike
    neighbours = torch.tensor([[[1, 2], [0, 2], [0, 1]]])
    edges = torch.ones(1, 3, 2, 3)
    opposed = x.clone()
    opposed[0, 1] = -opposed[0, 0]
    with torch.no_grad():
        fusion.gate.fill_(20.0)
        agreed, divided = ((fusion(values, neighbours, edges) - values)[0, 0].norm() for values in (x, opposed))

    assert agreed == pytest.approx(x[0, 0].norm().item(), rel=1e-4)
    assert divided < 0.9 * agreed
