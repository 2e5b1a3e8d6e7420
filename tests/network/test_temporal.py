"""Convolution and attention over a stock's past."""

import torch

from atft_kedro.network.temporal import CausalConvolution, WindowAttention


def attention(window: int = 4) -> WindowAttention:
    layer = WindowAttention(8, heads=2, window=window, dropout=0.0, initial_scale=1.0)
    with torch.no_grad():
        layer.lag_bias.normal_(generator=torch.Generator().manual_seed(4))
    return layer


def test_attention_depends_on_its_window_only() -> None:
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


def test_the_bias_depends_on_the_lag_only() -> None:
    layer = attention(window=6)
    with torch.no_grad():
        layer.query.weight.zero_()
        layer.query.bias.zero_()
    x = torch.randn(1, 30, 8)

    weights = layer.weights(x, torch.ones(1, 30, dtype=torch.bool))

    assert (weights - weights[:, :, :1]).abs().max() < 1e-5
    assert weights.std(-1).min() > 1e-3


def test_the_convolution_is_torchs() -> None:
    layer = CausalConvolution(6, kernel=3, initial_scale=1.0)
    x = torch.randn(2, 9, 6)
    weight = layer.taps.weight.view(3, 6, 6).permute(1, 2, 0)  # (out, in, tap)

    expected = torch.nn.functional.conv1d(layer.norm(x).transpose(1, 2), weight).transpose(1, 2)

    assert torch.allclose(layer(x), x[:, 2:] + torch.nn.functional.elu(expected), atol=1e-5)
