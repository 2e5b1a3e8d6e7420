"""Test the tables of several runs."""

import pytest

from atft_kedro.evaluation.compare_runs import RunComparison
from atft_kedro.evaluation.score import EntryScore, RunScore
from atft_kedro.reporting.comparison_tables import tabulate_comparison, tabulate_scores
from factories.training_logs import make_mean, score_horizon


def test_a_row_per_run_split_horizon_and_entry() -> None:
    scores = {1: score_horizon(make_mean(0.1)), 5: score_horizon(make_mean(0.2))}
    other = EntryScore(split={"test": scores, "train": scores})
    score = RunScore(run="first", split={"train": scores, "test": scores}, days={}, next_close=other)

    table = tabulate_scores([score, score.model_copy(update={"run": "second"})], "test")

    assert table.title == "1 = first\n2 = second"
    assert [row[:3] for row in table.rows[:4]] == [
        ["1", "test", "1d same*"],
        ["1", "test", "1d next"],
        ["1", "test", "5d same*"],
        ["1", "test", "5d next"],
    ]
    assert len(table.rows) == 8
    assert len(tabulate_scores([score]).rows) == 8


@pytest.mark.parametrize(("trials", "counted"), [(0, 2), (40, 40)])
def test_the_note_names_the_number_of_runs_of_the_deflated_ratio(trials: int, counted: int) -> None:
    rows = [RunComparison(run, 1, 0, 0, score_horizon(make_mean(0.1)), {}, 0.9, 0) for run in ("one", "other")]

    table = tabulate_comparison(rows, "test", trials)

    assert {"net Sharpe", "deflated", "rank IC difference to run 1"} <= set(table.header)
    assert table.rows[1][:2] == ["1d same*", "2"]
    assert f"above the best that {counted} runs without skill reach by chance." in table.note
