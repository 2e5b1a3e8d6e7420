"""Test the tables of positions, compared with their score."""

import pytest

from atft_kedro.evaluation.position_score import score_positions
from atft_kedro.evaluation.score import RunScore
from atft_kedro.reporting.position_tables import tabulate_compared_positions, tabulate_positions
from factories.position_days import DELISTING_NOTE, make_days, make_position_score


def test_the_rows_are_the_optimised_positions_and_the_books() -> None:
    score = make_position_score()
    scores, sources = tabulate_positions(score)

    names = ["optimised", "decile book, 1 d", "decile book, 5 d"]
    assert [row[0] for row in scores.rows] == [row[0] for row in sources.rows] == names
    own = dict(zip(scores.header, scores.rows[0], strict=True))
    interval = f"{score.optimised.net_sharpe:.2f} ({score.optimised.net_sharpe_low:.1f} to "
    assert own["net Sharpe (95 %)"].startswith(interval)
    assert own["drawdown"] == f"{100 * (score.optimised.drawdown or 0):.1f} %"
    book = dict(zip(sources.header, sources.rows[2], strict=True))
    assert (book["− spread"], book["− impact"], book["− commission"], book["− borrow"]) == ("2.0", "1.0", "0.0", "0.5")
    assert book["factors"] == "1.0"
    assert own["realised / predicted risk"] == f"{score.optimised.risk_ratio:.2f}"
    parts = [float(book[name]) for name in ("single stocks", "factors")]
    assert sum(parts) - 3.5 == pytest.approx(float(book["net bp"]), abs=0.16)  # of rounded numbers


def test_the_note_names_the_difference_the_delisted_and_the_days_without_a_solution() -> None:
    returns = {"optimised": [0.02, -0.01, 0.03, 0.0], "book 5": [0.01, -0.01, 0.01, 0.0]}
    days = make_days(returns, delisted=2, delisted_by_default=1, unsolved=1)
    note = tabulate_positions(score_positions(days, "next_open", 2e7, {}, DELISTING_NOTE))[0].note

    assert "2024-01-01 to 2024-01-04, entered at the next open, capital 20,000,000." in note
    assert "best decile book (5 d, chosen on these same days), the optimised positions earn +75.00 ± " in note
    assert "Their net Sharpe ratio is 2.10 times that of the book." in note
    assert "Delisted while held: 8 optimised positions, of which 4 earned the return of the table of delistings" in note
    assert f"and 4 the default; at most 8 of a decile book. {DELISTING_NOTE}" in note
    assert "positions stayed: 4 of 4." in note


def test_without_books_nothing_is_compared() -> None:
    days = make_days({"optimised": [0.1, 0.2]})
    note = tabulate_positions(score_positions(days, "close", 1e6, {}, DELISTING_NOTE))[0].note

    assert "Compared" not in note
    assert "times that of the book" not in note
    assert "never traded" not in note


def test_positions_that_never_trade_are_explained() -> None:
    days = make_days({"optimised": [0.0, 0.0, 0.0]}, turnover=0.0)
    note = tabulate_positions(score_positions(days, "close", 1e6, {}, DELISTING_NOTE))[0].note

    assert "never traded: no expected return was worth its costs and risk." in note


def test_only_runs_with_positions_are_compared() -> None:
    empty = RunScore(run="a", days={}, split={})
    scored = empty.model_copy(update={"run": "b", "positions": make_position_score()})
    (table,) = tabulate_compared_positions([empty, scored])

    assert tabulate_compared_positions([empty]) == []
    assert [row[0] for row in table.rows] == ["2"]
    assert table.rows[0][-3:] == ["next close", "10,000,000", "60"]
