"""Samples of a block as days."""

import pytest

from atft_kedro.training.data import TrainingData, choose_days_per_block, count_stocks_per_day
from atft_kedro.training.params import TrainingParams
from factories.params import make_params


@pytest.mark.parametrize(("samples", "days"), [(2048, 10), (100, 1), (1, 1), (400, 2), (None, 8)])
def test_samples_become_days_by_the_stocks_of_a_day(samples: int | None, days: int) -> None:
    training = choose_days_per_block(make_params(TrainingParams, samples_per_block=samples), 200.0)

    assert (training.days_per_block, training.samples_per_block) == (days, None)


def test_a_mean_day_is_one_of_those_with_stocks(training_data: TrainingData) -> None:
    days = training_data.panel.eligible.sum(1)

    assert int((days == 0).sum()) > 0
    assert count_stocks_per_day(training_data.panel) == pytest.approx(days.sum().item() / int((days > 0).sum()))
