"""The trained networks of a run."""

from pathlib import Path

import numpy as np

from atft_kedro.training.data import TrainingData
from atft_kedro.training.distributed import ProcessGroup
from atft_kedro.training.ensemble import load_members
from atft_kedro.training.forecasting import make_plain_scoring, score_days
from atft_kedro.training.params import TrainingParams
from atft_kedro.training.run import train_in_run
from atft_kedro.training.runs import Runs
from factories.params import make_params
from factories.training import NETWORK, PHASES


def test_a_runs_networks_are_read_back_as_they_were_best(training_data: TrainingData, tmp_path: Path) -> None:
    training = make_params(TrainingParams, phases=PHASES, seeds=2, days_per_block=16)
    runs = Runs(tmp_path, "abc", is_dirty=False)

    trained = train_in_run(training_data, NETWORK, training, runs)

    members = load_members(runs.find(trained.run), training_data)
    assert [(member.seed, member.folder) for member in trained.members] == [(7, "seed_7"), (8, "seed_8")]
    assert trained.members[0].best_score != trained.members[1].best_score
    for member, best in zip(trained.members, members, strict=True):
        loader = training_data.loader("validation", NETWORK.lookback, training.days_per_block)
        days, scoring = loader.sampler.chronological(), make_plain_scoring(4)
        scores = score_days(best.network, loader.reader, days, best.modules, scoring, ProcessGroup())
        weighed = [scores[f"rank_ic_{horizon}d"] / horizon for horizon in (1, 5, 10, 20)]
        assert np.isclose(sum(weighed) / (1 + 1 / 5 + 1 / 10 + 1 / 20), member.best_score, atol=1e-6)
