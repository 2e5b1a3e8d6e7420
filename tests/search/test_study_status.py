"""The status of a study: states, scores, the winner and the time left."""

from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from atft_kedro.search.plan import PRESETS
from atft_kedro.search.study import SIZE, SURPLUS, open_storage, requeue_trial
from atft_kedro.search.study_status import format_best, format_counts, read_status
from atft_kedro.search.trial import HOST, PID, REASON
from factories.searches import url_in


@pytest.fixture
def study(tmp_path: Path) -> optuna.Study:
    """Create a study with trials in every state but running; five are wanted."""
    study = optuna.create_study(storage=open_storage(url_in(tmp_path)), study_name="s", direction="maximize")
    study.set_user_attr(SIZE, PRESETS["quick"].model_dump_json())
    for value, scores in ((0.1, {1: 0.05, 2: 0.1}), (0.3, {1: 0.3})):
        study.add_trial(create_trial(value=value, intermediate_values=scores, user_attrs={HOST: "h", PID: 7}))
    study.add_trial(create_trial(state=TrialState.PRUNED, value=0.9, intermediate_values={1: 0.2, 2: float("nan")}))
    for attributes in ({REASON: "diverged"}, {SURPLUS: True}, {}):
        study.add_trial(create_trial(state=TrialState.FAIL, user_attrs=attributes))
    requeue_trial(study, study.trials[-1], {})
    return study


def test_the_status_has_the_state_and_score_of_every_trial(study: optuna.Study) -> None:
    status = read_status(study)

    states = ["complete", "complete", "pruned", "failed", "surplus", "retried", "waiting"]
    assert [trial.state for trial in status.trials] == states
    assert [trial.score for trial in status.trials[:4]] == [0.1, 0.3, 0.2, None]
    assert (status.wanted_trials, status.scored_trials, status.best_number) == (5, 3, 1)
    assert status.trials[0].worker == "7 on h"
    assert status.trials[3].reason == "diverged"
    assert status.importances == {}  # too few complete trials
    assert format_best(status) == "trial 1: 0.3000 after 1 epochs"
    assert format_counts(status).startswith("2 complete, 1 failed, 1 pruned")


def test_the_time_left_is_that_of_the_waiting_trials(study: optuna.Study) -> None:
    trials = [trial for trial in study.trials if trial.datetime_complete and trial.datetime_start]
    scored = trials[:3]
    seconds = [(trial.datetime_complete - trial.datetime_start).total_seconds() for trial in scored]  # type: ignore[operator]

    assert read_status(study).seconds_left == pytest.approx(sum(seconds) / 3)
