"""Test goal results and scores by entry."""

import pytest

from atft_kedro.evaluation.score import EntryScore, GoalResult, RunScore


@pytest.mark.parametrize(
    ("value", "se", "verdict"),
    [
        (None, None, "not measured"),
        (0.2, 0.3, "no verdict: its error is larger than the goal"),
        (0.2, 0.01, "met"),
        (0.05, 0.01, "missed"),
    ],
)
def test_a_goal_has_a_verdict(value: float | None, se: float | None, verdict: str) -> None:
    assert GoalResult(wanted=0.1, is_minimum=True, value=value, se=se).verdict == verdict


def test_entries_are_sorted_by_lag_and_unscored_ones_omitted() -> None:
    other = EntryScore(split={})
    score = RunScore(run="a", split={}, days={}, entry_lag=1, same_close=other)

    assert list(score.entries) == [0, 1]
    assert score.entries[0] is other
    assert list(RunScore(run="a", split={}, days={}, entry_lag=1).entries) == [1]
