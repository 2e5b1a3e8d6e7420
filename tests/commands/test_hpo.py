"""What ``kedro atft hpo`` prints."""

import pytest

from atft_kedro.commands.console import make_console
from atft_kedro.commands.hpo import MAX_SHOWN_TRIALS, render_study
from atft_kedro.search.study_status import StudyStatus, TrialSummary


def make_status(trials: int) -> StudyStatus:
    """Make a status whose last trial has failed."""
    failed = trials - 1
    summaries = [
        TrialSummary(
            number=number,
            state="failed" if number == failed else "complete",
            score=None if number == failed else number / 100,
            epochs=2,
            seconds=1.5,
            params={"network.hidden_size": 16},
            run=None,
            worker=None,
            reason="diverged [x]" if number == failed else None,
        )
        for number in range(trials)
    ]
    return StudyStatus(
        study="s",
        wanted_trials=30,
        trials=tuple(summaries),
        best_number=failed - 1,
        importances={"network.hidden_size": 1.0},
        seconds_left=90.0,
    )


def test_a_study_is_shown_with_its_newest_trials(capsys: pytest.CaptureFixture[str]) -> None:
    make_console().print(render_study(make_status(MAX_SHOWN_TRIALS + 5)))

    output = capsys.readouterr().out
    assert "study s" in output
    assert "trial 23: 0.2300 after 2 epochs" in output
    assert "0:01:30" in output
    assert "diverged [x]" in output
    assert output.count("hidden_size 16") == MAX_SHOWN_TRIALS
    assert "5 earlier trials are not shown" in output
