"""The figures, tables and metrics of a search."""

from pathlib import Path

import pytest

from atft_kedro.search.confirmation import Confirmation
from atft_kedro.search.report import build_search_tables, collect_metrics, plot_study
from atft_kedro.search.study import load_study
from atft_kedro.search.study_status import StudyStatus
from factories.searches import NETWORK, TRAINING, url_in


def test_the_verdict_follows_the_numbers(confirmation: Confirmation, status: StudyStatus) -> None:
    worse = confirmation.model_copy(update={"winner": (0.01, 0.02), "current": (0.03, 0.02)})
    better = worse.model_copy(update={"winner": worse.current, "current": worse.winner})
    differences = [better.differences[1].model_copy(update={"probability": value}) for value in (None, 0.97)]
    uncertain, certain = (
        better.model_copy(update={"differences": {1: difference}, "horizon": 1}) for difference in differences
    )
    not_retrained = confirmation.model_copy(update={"winner": (), "current": (), "differences": {}})
    verdicts = [
        build_search_tables(status, case, (NETWORK, TRAINING))[0].rows[-1][1]
        for case in (worse, uncertain, not_retrained, certain)
    ]

    assert verdicts[0] == (
        "the winner is not better than the current configuration: -0.0100 in rank IC over 2 new seeds"
    )
    assert verdicts[1].startswith("it is not certain that the winner is better than the current configuration: +0.0100")
    assert verdicts[2] == "not retrained (hpo.confirm_seeds is 0): the score of the best of 3 trials is too high"
    assert verdicts[3].startswith("the winner is better than the current configuration: +0.0100")
    assert verdicts[3].endswith("with probability 0.97, corrected for choosing the best of 3 trials")


def test_the_figures_hold_the_scores_of_the_complete_trials(status: StudyStatus, search_folder: Path) -> None:
    figures = plot_study(load_study(url_in(search_folder), "s"))

    titles = ["History", "Importance", "Parallel coordinates", "Slice", "Curves"]
    assert [figure.layout.title.text for figure in figures] == titles
    scores = [trial.score for trial in status.trials if trial.state == "complete"]
    assert list(figures[0].data[0].y) == scores


def test_the_metrics_are_the_number_of_scored_trials_the_best_score_and_the_gain(
    confirmation: Confirmation, status: StudyStatus
) -> None:
    metrics = collect_metrics(status, confirmation)

    assert status.winner is not None
    assert metrics == {
        "search/scored_trials": 3.0,
        "search/best": status.winner.score,
        "search/gain": pytest.approx(confirmation.gain),
    }
