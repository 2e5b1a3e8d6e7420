"""Test the tables that compare a run with its baselines."""

import pytest

from atft_kedro.evaluation.score import RunScore
from atft_kedro.reporting.baseline_tables import tabulate_baselines
from factories.training_logs import make_mean, score_horizon


def tabulate_note(days: int) -> str:
    horizons = {horizon: score_horizon(make_mean(0.1, days=days)) for horizon in (1, 20)}
    return tabulate_baselines(RunScore(run="a", split={"test": horizons}, days={}), "test").note


@pytest.mark.parametrize(("days", "periods", "one_in"), [(110, "5.5", 7), (50, "2.5", 5)])
def test_the_note_warns_of_few_nonoverlapping_periods(days: int, periods: str, one_in: int) -> None:
    note = tabulate_note(days)

    assert (
        f"{days} days contain only {periods} non-overlapping periods of 20 d: without skill, |t| > 2 occurs in about "
        f"1 of {one_in}"
    ) in note
    assert "periods of 1 d" not in note


def test_enough_days_need_no_warning() -> None:
    assert "periods" not in tabulate_note(500)
