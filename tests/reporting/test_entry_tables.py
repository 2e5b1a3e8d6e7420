"""Test the table that compares a run's scores at the same close and at the next close."""

import pytest

from atft_kedro.evaluation.score import EntryScore, RunScore
from atft_kedro.reporting.baseline_tables import tabulate_oracle
from atft_kedro.reporting.entry_tables import tabulate_entries
from atft_kedro.reporting.run_tables import tabulate_portfolios, tabulate_split
from atft_kedro.reporting.score_columns import collect_metrics
from atft_kedro.reporting.table import Table
from factories.training_logs import make_mean, score_horizon


def make_score(same: float, later: float, entry_lag: int = 0) -> RunScore:
    scores = {lag: {"test": {1: score_horizon(make_mean(mean))}} for lag, mean in enumerate((same, later))}
    other, name = (scores[1], "next_close") if entry_lag == 0 else (scores[0], "same_close")
    others = {name: EntryScore(split=other, oracle=other)}
    days = {"test": ("2024-01-01", "2024-06-01")}
    return RunScore(
        run="a", split=scores[entry_lag], oracle=scores[entry_lag], days=days, entry_lag=entry_lag, **others
    )


def tabulate(same: float, later: float) -> Table:
    return tabulate_entries(make_score(same, later), "test")


def test_a_rank_ic_that_is_more_than_halved_is_reported() -> None:
    halved = tabulate(0.0612, 0.0125)

    assert "Over 1 d the rank IC is 0.0612 at the same close and 0.0125 at the next" in halved.note
    assert "cannot be traded" in halved.note
    assert list(halved.header[1::2]) == ["rank IC, same close*", "rank IC, next close", "net Sharpe, same close*"]
    assert halved.rows[0][:5] == ["1d", "0.0612", "0.0100", "0.0125", "0.0100"]


@pytest.mark.parametrize(("same", "later"), [(0.06, 0.04), (0.06, 0.031), (0.009, -0.009), (-0.005, 0.001)])
def test_rank_ics_that_differ_less_or_are_noise_are_not_reported(same: float, later: float) -> None:
    note = tabulate(same, later).note

    assert "Over 1 d" not in note
    assert "No significant rank IC differs by more than half between the two entries." in note


def test_a_rank_ic_that_is_better_at_the_next_close_is_reported_too() -> None:
    note = tabulate(0.01, 0.05).note

    assert "Over 1 d the rank IC is 0.0100 at the same close and 0.0500 at the next" in note
    assert "cannot be traded" not in note


def test_a_rank_ic_without_an_error_is_not_compared() -> None:
    score = make_score(0.05, 0.01)
    unknown = make_mean(0.01).model_copy(update={"se": None})
    assert score.next_close is not None
    later = score.next_close.split["test"][1].model_copy(update={"rank_ic": unknown})
    next_close = score.next_close.model_copy(update={"split": {"test": {1: later}}})
    note = tabulate_entries(score.model_copy(update={"next_close": next_close}), "test").note

    assert "Rank ICs over 1 d are not compared, because one or its standard error is unknown." in note
    assert "No significant rank IC" not in note


def test_the_other_close_of_a_run_scored_at_one_is_unknown() -> None:
    score = make_score(0.05, 0.04).model_copy(update={"next_close": None})

    assert (
        "No comparison: the run was scored only with entry at the same close." in tabulate_entries(score, "test").note
    )
    assert [row[1] for row in tabulate_split(score, "test").rows] == ["same close*"]


@pytest.mark.parametrize("entry_lag", [0, 1])
def test_tables_hold_both_closes_and_mark_the_one_that_was_trained_for(entry_lag: int) -> None:
    score = make_score(0.05, 0.04, entry_lag)
    names = [["same close*", "next close"], ["same close", "next close*"]][entry_lag]

    for table in (tabulate_split(score, "test"), tabulate_portfolios(score, "test"), tabulate_oracle(score, "test")):
        assert [row[1] for row in table.rows][:2] == names or not table.rows
    assert [row[2] for row in tabulate_split(score, "test").rows] == ["0.0500", "0.0400"]
    numbers = collect_metrics("test", {lag: entry.split["test"] for lag, entry in score.entries.items()}, entry_lag)
    assert numbers["test/rank_ic_1d"] == (0.05, 0.04)[entry_lag]
    assert numbers[f"test/{('next_close', 'same_close')[entry_lag]}/rank_ic_1d"] == (0.04, 0.05)[entry_lag]
