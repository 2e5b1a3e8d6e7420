"""The figures, tables and metrics of a search."""

from pathlib import Path

import pytest

from atft_kedro.search.confirmation import Confirmation
from atft_kedro.search.report import build_search_tables, collect_metrics, plot_study, tabulate_trials
from atft_kedro.search.study import load_study
from atft_kedro.search.study_status import StudyStatus
from factories.searches import NETWORK, TRAINING, url_in


def test_the_verdict_follows_the_numbers(confirmation: Confirmation, status: StudyStatus) -> None:
    worse = confirmation.model_copy(update={"winner_scores": (0.01, 0.02), "current_scores": (0.03, 0.02)})
    better = worse.model_copy(update={"winner_scores": worse.current_scores, "current_scores": worse.winner_scores})
    differences = [better.differences[1].model_copy(update={"probability": value}) for value in (None, 0.9, 0.97)]
    unknown, uncertain, certain = (
        better.model_copy(update={"differences": {1: difference}, "horizon": 1}) for difference in differences
    )
    not_retrained = confirmation.model_copy(update={"winner_scores": (), "current_scores": (), "differences": {}})
    verdicts = [
        build_search_tables(status, case, (NETWORK, TRAINING))[0].rows[-1][1]
        for case in (worse, unknown, not_retrained, certain, uncertain)
    ]

    assert verdicts[0] == (
        "the winner is not better than the current configuration: -0.0100 in rank IC over 2 new seeds"
    )
    not_shown = "not shown that the winner is better than the current configuration"
    assert verdicts[1].startswith(f"{not_shown} (unknown probability): +0.0100")
    assert verdicts[4].startswith(f"{not_shown} (probability below 0.95): +0.0100")
    assert verdicts[2] == (
        "not retrained (hpo.confirm_seeds is 0): the best score of 3 trials is biased upwards, so it does not show "
        "that the winner is better than the current configuration"
    )
    assert verdicts[3].startswith("the winner is better than the current configuration: +0.0100")
    assert verdicts[3].endswith("probability that it is better: 0.97, corrected for choosing the best of 3 trials")


def test_trials_are_sorted_by_state_and_score_also_if_scores_are_negative(status: StudyStatus) -> None:
    complete = [
        status.trials[0].model_copy(update={"state": "complete", "score": score}) for score in (-3.0, 0.0, -2.0)
    ]
    waiting = status.trials[0].model_copy(update={"state": "waiting", "score": None})
    pruned = waiting.model_copy(update={"state": "pruned", "score": -9.0})

    table = tabulate_trials(status.model_copy(update={"trials": (waiting, pruned, *complete)}))

    assert [row[2] for row in table.rows] == ["0.0000", "-2.0000", "-3.0000", "-9.0000", "–"]


def test_the_figures_show_the_scores_of_the_complete_trials(status: StudyStatus, search_folder: Path) -> None:
    figures = plot_study(load_study(url_in(search_folder), "s"))

    titles = ["History", "Importance", "Parallel coordinates", "Slice", "Curves"]
    assert [figure.layout.title.text for figure in figures] == titles
    scores = [trial.score for trial in status.trials if trial.state == "complete"]
    assert list(figures[0].data[0].y) == scores


def test_the_metrics_are_the_number_of_scored_trials_the_best_score_and_the_gain(
    confirmation: Confirmation, status: StudyStatus
) -> None:
    metrics = collect_metrics(status, confirmation)

    assert status.best_trial is not None
    assert metrics == {
        "search/scored_trials": 3.0,
        "search/best_score": status.best_trial.score,
        "search/score_gain": pytest.approx(confirmation.gain),
    }
