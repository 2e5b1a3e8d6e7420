"""What a table of baselines says of its own run's days."""

import pytest

from atft_kedro.evaluation.score import RunScore
from atft_kedro.reporting.baseline_tables import tabulate_rivals
from factories.training_logs import make_mean, score_horizon


def note_of(days: int) -> str:
    horizons = {name: score_horizon(make_mean(0.1, days=days)) for name in (1, 20)}
    return tabulate_rivals(RunScore(run="a", split={"test": horizons}, days={}), "test").note


@pytest.mark.parametrize(("days", "spans", "once_in"), [(110, "5.5", 7), (50, "2.5", 5)])
def test_few_spans_are_those_of_the_run_itself(days: int, spans: str, once_in: int) -> None:
    said = note_of(days)

    assert f"{days} days are {spans} spans of 20 d: |t| exceeds 2 by chance in 1 of {once_in} such samples." in said
    assert "spans of 1 d" not in said


def test_enough_days_are_no_matter() -> None:
    assert "spans" not in note_of(500)
