"""Labels of the losses."""

import numpy as np
import pytest
import torch
from scipy import stats

from atft_kedro.labels import transform_labels


def test_labels_are_standardised_or_ranked_within_a_day_without_extremes() -> None:
    returns = torch.randn(3, 1, 200, dtype=torch.float64)
    valid = torch.ones_like(returns, dtype=torch.bool)

    label, kept = transform_labels(returns, valid, 0.025, gaussian=False)
    ranked, _ = transform_labels(returns, valid, 0.0, gaussian=True)

    assert kept.sum(-1).flatten().tolist() == [190] * 3
    values = label[0, 0][kept[0, 0]]
    assert (values.mean().item(), values.std(correction=0).item()) == pytest.approx((0, 1), abs=1e-6)
    unit = (stats.rankdata(returns[0, 0]) - 0.5) / 200
    assert np.allclose(ranked[0, 0], stats.norm.ppf(unit), atol=1e-6)
