"""Forecasts of the networks of a run, and scores of the days of a split."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from atft_kedro import metrics
from atft_kedro.losses import mse
from atft_kedro.params import InputError
from atft_kedro.training.checkpoint import BEST
from atft_kedro.training.data import TrainingData
from atft_kedro.training.distributed import TrainingProcesses
from atft_kedro.training.forecasting import forecast_days, load_members, make_plain_scoring, score_days
from atft_kedro.training.params import TrainingParams
from atft_kedro.training.run import train_in_run
from atft_kedro.training.runs import Runs
from factories.params import make_params
from factories.training import NETWORK, PHASES, Make


def test_a_rank_ic_has_the_error_of_days_that_share_returns(make: Make) -> None:
    trainer = make()
    network, loader = trainer.ema, trainer.validation

    scoring = replace(make_plain_scoring(4), weights=[1, 0, 0, 0])
    scores = score_days(
        network, loader.reader, loader.sampler.chronological(), frozenset(), scoring, TrainingProcesses()
    )

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


def test_the_best_weights_of_a_run_are_loaded(training_data: TrainingData, tmp_path: Path) -> None:
    training = make_params(TrainingParams, phases=PHASES, seeds=2, days_per_block=16)
    runs = Runs(tmp_path, "abc", is_dirty=False)

    trained = train_in_run(training_data, NETWORK, training, runs)

    members = load_members(runs.find(trained.run), training_data)
    assert [(member.seed, member.folder) for member in trained.members] == [(7, "seed_7"), (8, "seed_8")]
    assert trained.members[0].best_score != trained.members[1].best_score
    for member, best in zip(trained.members, members, strict=True):
        loader = training_data.loader("validation", NETWORK.lookback, training.days_per_block)
        days, scoring = loader.sampler.chronological(), make_plain_scoring(4)
        scores = score_days(best.network, loader.reader, days, best.modules, scoring, TrainingProcesses())
        weighed = [scores[f"rank_ic_{horizon}d"] / horizon for horizon in (1, 5, 10, 20)]
        assert np.isclose(sum(weighed) / (1 + 1 / 5 + 1 / 10 + 1 / 20), member.best_score, atol=1e-6)
    (runs.find(trained.run) / "seed_8" / BEST).unlink()
    with pytest.raises(InputError, match="There is no checkpoint at .*seed_8/best.pt"):
        load_members(runs.find(trained.run), training_data)
