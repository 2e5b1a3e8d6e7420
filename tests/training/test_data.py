"""Loaders of days, and block sizes."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from atft_kedro.training.data import TrainingData, choose_days_per_block, count_stocks_per_day
from atft_kedro.training.params import TrainingParams
from factories.params import make_params
from factories.training import PHASES, Make, Watch


def test_the_last_train_days_are_scored_at_most_as_many_as_validation_days(make: Make) -> None:
    some, most, none = make(scored_share=0.12), make(scored_share=0.9), make(scored_share=0.0)

    days, validation = some.train.days, some.validation.days
    assert some.scored_train_days is not None
    assert np.array_equal(some.scored_train_days.days, days[-round(0.12 * len(days)) :])
    assert most.scored_train_days is not None
    assert len(most.scored_train_days.days) == len(validation)
    assert days.max() < validation.min()
    assert none.scored_train_days is None


def test_at_least_twenty_train_days_are_scored(make: Make) -> None:
    trainer = make(scored_share=0.001)

    assert trainer.scored_train_days is not None
    assert len(trainer.scored_train_days.days) == 20


def test_scoring_train_days_changes_no_training(make: Make) -> None:
    watches = [Watch(), Watch()]
    trainers = [make([watch], scored_share=share) for watch, share in zip(watches, (0.5, 0.0), strict=True)]
    for trainer in trainers:
        trainer.fit()

    one, other = (trainer.state() for trainer in trainers)
    assert trainers[0].train_scores["rank_ic"] != trainers[0].progress.history[-1]["rank_ic"]
    assert trainers[1].train_scores == {}
    assert watches[0].terms == watches[1].terms
    assert one["progress"] == other["progress"]
    for key in ("network", "ema", "swa", "best"):
        assert all(torch.equal(one[key][name], other[key][name]) for name in one[key])
    assert torch.equal(one["processes"][0]["random"]["cpu"], other["processes"][0]["random"]["cpu"])


def test_a_network_that_memorises_scores_higher_on_train_days(make: Make) -> None:
    phase = PHASES[0] | {"epochs": 8, "learning_rate": 1e-2}
    trainer = make(phases=[phase], weight_decay=0.0, ema_decay=0.0, scored_share=0.2)
    trainer.fit()

    assert trainer.train_scores["rank_ic_1d"] > trainer.progress.history[-1]["rank_ic_1d"] + 0.1


def test_days_with_a_gap_keep_their_end(make: Make) -> None:
    loader = make().train
    segments = [np.arange(10, 40), np.arange(60, 75)]
    loader = replace(loader, sampler=replace(loader.sampler, segments=segments))

    assert [days.tolist() for days in loader.keep_last_days(20).sampler.segments] == [
        [*range(35, 40)],
        [*range(60, 75)],
    ]
    assert [days.tolist() for days in loader.keep_last_days(9).sampler.segments] == [[*range(66, 75)]]


@pytest.mark.parametrize(("samples", "days"), [(2048, 10), (100, 1), (1, 1), (400, 2), (None, 8)])
def test_samples_become_days_by_the_stocks_of_a_day(samples: int | None, days: int) -> None:
    training = choose_days_per_block(make_params(TrainingParams, samples_per_block=samples), 200.0)

    assert (training.days_per_block, training.samples_per_block) == (days, None)


def test_a_mean_day_is_one_of_those_with_stocks(training_data: TrainingData) -> None:
    days = training_data.panel.eligible.sum(1)

    assert int((days == 0).sum()) > 0
    assert count_stocks_per_day(training_data.panel) == pytest.approx(days.sum().item() / int((days > 0).sum()))
