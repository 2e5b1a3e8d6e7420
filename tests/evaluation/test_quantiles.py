"""Test the units of forecasts and quantile columns."""

import pytest
import torch

from atft_kedro.evaluation.quantiles import daily_coverage, label_returns, quantile_levels

NAN = float("nan")


def test_quantile_columns_are_sorted_by_level() -> None:
    assert quantile_levels(["q90", "code", "q2.5", "quality"]) == {"q2.5": 0.025, "q90": 0.9}


def test_labels_of_invalid_stocks_are_unknown() -> None:
    returns = torch.tensor([[0.01, 0.03, NAN, 0.02]])

    ranks = label_returns(returns, returns.isfinite(), "gaussian_rank")
    assert ranks[0, 2].isnan()
    assert ranks[0, 0] < ranks[0, 3] < ranks[0, 1]
    assert torch.equal(label_returns(returns, returns.isfinite(), "returns")[0, :2], returns[0, :2])


def test_coverage_is_the_share_of_labels_at_or_below_the_quantile() -> None:
    quantile, label = torch.tensor([[1.0, 1.0, 1.0, NAN]]), torch.tensor([[0.5, 1.0, 2.0, 0.0]])

    assert daily_coverage(quantile, label).tolist() == pytest.approx([2 / 3])
