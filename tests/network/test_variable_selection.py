"""Test the variable selection."""

from dataclasses import replace

import torch

from atft_kedro.network.variable_selection import VariableSelection
from factories.blocks import random_block


def test_selection_weighs_to_one_on_average_and_starts_nearly_even() -> None:
    block = random_block()
    selection = VariableSelection(6, 16, 8)
    x = selection.replace_missing(block)

    weights = selection.compute_weights(x, block)

    assert torch.allclose(weights.mean(-1), torch.ones(weights.shape[:2]), atol=1e-5)
    assert (weights - 1).abs().max() < 0.2


def test_without_the_market_gate_the_market_changes_no_weight() -> None:
    block = random_block(stocks=6, days=2, neighbours=2)
    other = replace(block, market=block.market + 3)
    features = block.features.shape[-1]

    with_gate, without = (VariableSelection(features, 8, 4, market_gate=on) for on in (True, False))
    for selection in (with_gate, without):
        torch.nn.init.normal_(selection.to_weights.weight)
    assert not torch.allclose(with_gate(block), with_gate(other))
    assert torch.equal(without(block), without(other))
    assert {name for name, _ in with_gate.named_parameters()} - {name for name, _ in without.named_parameters()} == {
        "from_market.weight"
    }


def test_a_missing_feature_has_its_learned_value() -> None:
    block = random_block()
    block.features[2, 4, 1] = torch.nan
    selection = VariableSelection(6, 16, 8)
    with torch.no_grad():
        selection.missing[1] = 7.0

    assert selection.replace_missing(block)[2, 4, 1] == 7
    assert selection(block).isfinite().all()
