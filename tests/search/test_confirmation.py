"""Retraining a winner with other seeds, and the probability that it is better."""

import ast
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import norm

from atft_kedro import source_code
from atft_kedro.evaluation.daily_statistics import average, expected_maximum
from atft_kedro.search.confirmation import (
    BestScores,
    Confirmation,
    ConfirmationTrainer,
    compute_probability,
    compute_seed_error,
    find_main_horizon,
)
from atft_kedro.search.study_status import StudyStatus
from atft_kedro.training.data import TrainingData
from atft_kedro.training.failure_checks import TrainingFailure
from atft_kedro.training.params import SelectionParams
from factories.params import make_params
from factories.searches import NETWORK, TRAINING, RecordingTrackers, confirm_winner, runs_in


def test_the_winner_is_trained_to_full_length_with_seeds_that_no_trial_used(
    confirmation: Confirmation, search_folder: Path
) -> None:
    seeds = {folder.name for folder in search_folder.glob("_confirmed/*/2*/seed_*")}
    logs = search_folder.glob("_confirmed/*/2*/metrics.jsonl")
    epochs = [line for log in logs for line in log.read_text().splitlines() if "train_loss" in line]

    assert (len(confirmation.current_scores), len(confirmation.winner_scores)) == (2, 2)
    assert seeds == {f"seed_{TRAINING.seed + 1}", f"seed_{TRAINING.seed + 2}"}
    folders = {path.name.partition("-")[0] for path in search_folder.glob("_confirmed/*")}
    assert folders == {"current", "winner"}
    assert sorted(confirmation.differences) == [1, 5, 10, 20]
    difference = np.mean(confirmation.winner_scores) - np.mean(confirmation.current_scores)
    assert confirmation.gain == pytest.approx(difference)
    assert len(epochs) == 2 * 2 * sum(phase.epochs for phase in TRAINING.phases)


def test_a_finished_confirmation_is_not_trained_again(
    confirmation: Confirmation, status: StudyStatus, training_data: TrainingData, search_folder: Path
) -> None:
    before = sorted(search_folder.glob("_confirmed/*/2*"))

    assert confirm_winner(status, training_data, search_folder) == confirmation
    assert sorted(search_folder.glob("_confirmed/*/2*")) == before


def test_a_confirmation_after_a_change_of_code_has_another_folder(
    training_data: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer, parse = ConfirmationTrainer(training_data, runs_in(tmp_path), RecordingTrackers()), source_code._parse

    def parse_changed(module: str) -> tuple[ast.Module, str, str]:
        tree, package, template = parse(module)
        if module == "atft_kedro.losses":
            tree.body += ast.parse("CHANGED = 1").body
        return tree, package, template

    names = []
    for parse_module in (parse, parse_changed, parse):
        monkeypatch.setattr(source_code, "_parse", parse_module)
        source_code._read_module.cache_clear()
        names.append(trainer.name_folder("current", NETWORK, TRAINING))

    assert names[0] == names[2] != names[1]
    assert names[0].startswith("current-")


def test_the_main_horizon_follows_the_selection() -> None:
    horizons = (1, 5, 10)

    assert find_main_horizon(make_params(SelectionParams), horizons) == 1
    assert find_main_horizon(make_params(SelectionParams, horizon_weights={5: 1.0, 10: 2.0}), horizons) == 10
    assert find_main_horizon(make_params(SelectionParams, metric="rank_ic_5d"), horizons) == 5


def test_the_probability_is_corrected_for_the_best_of_all_trials_and_for_the_seeds() -> None:
    days = 0.02 + 0.1 * np.random.default_rng(3).standard_normal(250)
    difference = average(days, 1)
    assert difference.mean is not None
    assert difference.se is not None
    maxima = np.random.default_rng(5).standard_normal((20_000, 12)).max(1).mean()
    t = difference.mean / difference.se

    assert expected_maximum(1) == 0
    assert expected_maximum(12) == pytest.approx(maxima, abs=0.05)
    assert compute_probability(difference, 1, 0.0) == pytest.approx(norm.cdf(t))
    assert compute_probability(difference, 12, 0.0) == pytest.approx(norm.cdf(t - expected_maximum(12)))
    assert compute_probability(average(np.array([0.1]), 1), 12, 0.0) is None
    assert compute_probability(difference, 12, None) is None
    assert compute_seed_error((0.1, 0.3), (0.2, 0.2)) == pytest.approx(np.sqrt(0.02 / 2))
    both_errors = np.hypot(difference.se, difference.mean)
    assert compute_probability(difference, 1, difference.mean) == pytest.approx(norm.cdf(difference.mean / both_errors))


def test_an_epoch_without_a_score_fails_a_confirmation_as_it_fails_a_trial() -> None:
    params = SimpleNamespace(seed=7, selection=make_params(SelectionParams, metric="rank_ic"))

    def record(*scores: float) -> dict[int, float]:
        best = BestScores()
        progress = SimpleNamespace(history=[{"rank_ic": score} for score in scores])
        best.after_fit(SimpleNamespace(params=params, progress=progress), {})  # type: ignore[arg-type]
        return best.by_seed

    assert record(0.1, 0.3, 0.2) == {7: 0.3}
    with pytest.raises(TrainingFailure, match="Epoch 1 has no rank IC on the validation days"):
        record(np.nan, 0.2)
