"""Market tokens."""

import torch

from atft_kedro.network.tokens import MarketTokens


def test_tokens_change_nothing_while_their_gate_is_zero() -> None:
    x, present = torch.randn(2, 5, 8), torch.ones(2, 5, dtype=torch.bool)

    assert torch.equal(MarketTokens(8, n_tokens=3, heads=2)(x, present), x)


def test_absent_stocks_change_nothing_and_an_empty_day_is_finite() -> None:
    torch.manual_seed(0)
    tokens = MarketTokens(8, n_tokens=3, heads=2)
    x, present = torch.randn(2, 5, 8), torch.ones(2, 5, dtype=torch.bool)
    present[0, 4], present[1] = False, False
    other = x.clone()
    other[0, 4] = 7.0
    with torch.no_grad():
        tokens.gate.fill_(1.0)
        output, changed = tokens(x, present), tokens(other, present)

    assert torch.allclose(output[0, :4], changed[0, :4])
    assert not torch.allclose(output[0, :4], x[0, :4], atol=1e-3)
    assert output.isfinite().all()
