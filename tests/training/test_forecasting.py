"""Scores of the days of a split."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from atft_kedro import metrics
from atft_kedro.losses import mse
from atft_kedro.training.distributed import ProcessGroup
from atft_kedro.training.forecasting import forecast_days, make_plain_scoring, score_days
from factories.training import PHASES, Make


def test_a_rank_ic_has_the_error_of_days_that_share_returns(make: Make) -> None:
    trainer = make()
    network, loader = trainer.ema, trainer.validation

    scoring = replace(make_plain_scoring(4), weights=[1, 0, 0, 0])
    scores = score_days(network, loader.reader, loader.sampler.chronological(), frozenset(), scoring, ProcessGroup())

    forecasts = forecast_days(network, loader.reader, loader.sampler.chronological(), frozenset())
    point = network.point_forecast(forecasts.quantiles)
    for index, horizon in ((0, 1), (3, 20)):
        daily = metrics.daily_rank_ic(point[..., index], forecasts.targets[..., index]).numpy()
        known = daily[np.isfinite(daily)]
        error = known.std(ddof=1) / np.sqrt(len(known) / horizon)
        assert scores[f"se_rank_ic_{horizon}d"] == pytest.approx(error)
        assert scores[f"rank_ic_{horizon}d"] == pytest.approx(known.mean())
    assert scores["rank_ic"] == scores["rank_ic_1d"]


def test_the_validation_loss_is_the_phases_over_all_validation_days(make: Make) -> None:
    trainer = make(phases=[PHASES[0] | {"loss": "mse:0.5,rank_net:1"}])
    network, loader = trainer.ema, trainer.validation
    state = torch.get_rng_state()

    scores, again = trainer.validate(network), trainer.validate(network)

    blocks = [loader.reader.read(days) for days in loader.sampler.chronological()]
    inputs = [trainer.train_step.loss_input_builder(block, network(block, frozenset())) for block in blocks]
    days = sum(int(block_inputs.count_days()[0]) for block_inputs in inputs)
    total = sum(float(mse(block_inputs)[0]) * int(block_inputs.count_days()[0]) for block_inputs in inputs)
    pairs = scores["loss_1d"] - 0.5 * total / days
    assert 0.5 < pairs < 1  # near log 2: an untrained network orders no pairs
    assert scores == again
    assert torch.equal(torch.get_rng_state(), state)
    assert {"hit_rate_5d", "net_sharpe_20d", "loss"} <= set(scores)
