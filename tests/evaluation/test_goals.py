"""Test goals: met, missed, or without a verdict."""

import numpy as np
import pytest

from atft_kedro.evaluation.goals import GoalParams, ScoresBySplit, check_goals, measure_train_validation_gap
from atft_kedro.evaluation.score import GoalResult
from factories.baseline_runs import make_noisy_returns, score_with_baselines
from factories.params import make_params
from factories.training_logs import make_mean, score_horizon


@pytest.fixture(scope="module")
def split_scores() -> ScoresBySplit:
    return score_with_baselines(make_noisy_returns())[0].split


def test_goals_are_met_or_missed(split_scores: ScoresBySplit) -> None:
    ic = split_scores["test"][1].ic.mean or 0
    ratio = split_scores["test"][1].ic.ir or 0
    params = make_params(
        GoalParams,
        ic={1: ic - 0.01, 5: 0.1},
        ic_ir={1: ratio + 0.1},
        rank_ic={1: 0.99, 5: None},
        net_sharpe={1: -99.0},
    )
    goals = check_goals(split_scores, 3.0, params)

    assert {name: goal.is_met for name, goal in goals.items()} == {
        "ic_h1": True,
        "ic_h5": False,
        "ic_ir_h1": False,
        "rank_ic_h1": False,
        "net_sharpe_h1": True,
        "train_gap": False,
        "gradient_norm": True,
    }
    assert goals["ic_h5"].value is None
    assert goals["ic_ir_h1"].value == ratio
    assert not GoalResult(wanted=10, is_minimum=False, value=10.0).is_met


def test_a_goal_smaller_than_its_error_has_no_verdict() -> None:
    means = {"train": make_mean(0.03, 0.02), "validation": make_mean(0.05, 0.02), "test": make_mean(0.2, 0.02)}
    scores = {split: {1: score_horizon(mean)} for split, mean in means.items()}
    overfitted = scores | {"train": {1: score_horizon(make_mean(0.3, 0.02))}}
    params = make_params(GoalParams, ic={1: 0.01, 5: 0.1}, rank_ic={1: 0.1}, net_sharpe={})

    goals = check_goals(scores, None, params)

    assert goals["train_gap"].value == pytest.approx(-2 / 3)
    draws = np.random.default_rng(1).normal((0.03, 0.05), 0.0005, (10_000, 2))
    assert goals["train_gap"].se == pytest.approx(40 * (1 - draws[:, 1] / draws[:, 0]).std(), rel=0.05)
    assert goals["train_gap"].verdict == goals["ic_h1"].verdict == "no verdict: its error is larger than the goal"
    assert [goals["rank_ic_h1"].verdict, goals["gradient_norm"].verdict] == ["met", "not measured"]
    assert check_goals(overfitted, None, params)["train_gap"].verdict == "missed"


def test_the_train_gap_is_the_share_lost_on_validation_days(split_scores: ScoresBySplit) -> None:
    train, validation = split_scores["test"], split_scores["validation"]

    lost, _ = measure_train_validation_gap({"train": train, "validation": validation})
    assert lost == pytest.approx(1 - (validation[1].rank_ic.mean or 0) / (train[1].rank_ic.mean or 1))
    assert measure_train_validation_gap({"validation": validation}) == (None, None)


def test_the_train_gap_is_over_the_shortest_horizon_in_any_order() -> None:
    means = {"train": (0.2, 0.1), "validation": (0.3, 0.05)}
    scores = {
        split: {5: score_horizon(make_mean(h5)), 1: score_horizon(make_mean(h1))} for split, (h5, h1) in means.items()
    }

    assert measure_train_validation_gap(scores)[0] == pytest.approx(0.5)
