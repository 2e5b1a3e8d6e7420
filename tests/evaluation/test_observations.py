"""Test batches of single observations."""

import pytest
import torch

from atft_kedro.evaluation.observations import Observations

NAN = float("nan")
ROWS = Observations(
    day=torch.tensor([4, 4, 7]),
    stock=torch.tensor([0, 2, 1]),
    features=torch.tensor([[1.0], [3.0], [NAN]]).half(),
    labels=torch.tensor([[0.1], [0.2], [0.3]]),
)


def test_features_are_demeaned_by_day_and_missing_ones_zero() -> None:
    assert ROWS.demean().flatten().tolist() == [-1.0, 1.0, 0.0]


def test_rows_become_an_array_over_days_and_stocks() -> None:
    array = ROWS.to_array(ROWS.labels)[..., 0]

    assert array[0].tolist() == pytest.approx([0.1, NAN, 0.2], nan_ok=True)
    assert array[1].tolist() == pytest.approx([NAN, 0.3, NAN], nan_ok=True)


def test_joined_batches_keep_their_order() -> None:
    assert Observations.join([ROWS, ROWS]).stock.tolist() == [0, 2, 1, 0, 2, 1]
