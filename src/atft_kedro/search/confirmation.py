"""Retrain a search's winner and the current configuration with new seeds, and compare them."""

from dataclasses import dataclass, field, replace
from statistics import variance

import polars as pl
from pydantic import Field

from ..evaluation.compare_runs import compare_runs, pivot_returns
from ..evaluation.daily_statistics import NORMAL, Mean, expected_maximum
from ..evaluation.forecast_table import forecast_one_split
from ..evaluation.score import EvaluationParams
from ..network.params import NetworkParams
from ..params import InputError, Params
from ..source_code import digest, hash_code
from ..training.checkpoint import FIELDS_NOT_IN_IDENTITY
from ..training.data import TrainingData
from ..training.engine import Callback, Trainer
from ..training.forecasting import load_members
from ..training.hardware import choose_device
from ..training.params import SelectionParams, TrainingParams
from ..training.run import train_in_run
from ..training.runs import LATEST, MANIFEST, Runs
from .plan import SearchParams
from .space import ParamValues, apply_values
from .study_status import StudyStatus
from .trial import TrialTracker, TrialTrackers, require_finite_score

CURRENT, WINNER = "current", "winner"


class WinnerDifference(Params):
    """The winner's daily rank IC minus that of the current configuration, over one horizon.

    ``rank_ic`` is the mean difference. ``probability`` is the probability that the true difference is above zero, see
    `compute_probability`.
    """

    rank_ic: Mean
    probability: float | None


class Confirmation(Params):
    """Validation scores of the winner and of the current configuration.

    The winner is the best trial of the search. If ``confirm_seeds`` is 0, scores and differences are empty.
    ``horizon`` is that of the metric; if the metric averages over horizons, it is the one with the largest weight.
    """

    study: str
    trial: int  # number of the winner
    metric: str  # label of the score
    params: ParamValues
    scored_trials: int
    current_scores: tuple[float, ...] = ()  # by seed
    winner_scores: tuple[float, ...] = ()
    differences: dict[int, WinnerDifference] = Field(default_factory=dict)  # by horizon
    horizon: int | None = None

    @property
    def gain(self) -> float | None:
        """Return the winner's mean score minus the current one's; None if there are no scores."""
        if not self.winner_scores:
            return None
        return sum(self.winner_scores) / len(self.winner_scores) - sum(self.current_scores) / len(self.current_scores)


@dataclass
class BestScores(Callback):
    """Records the best validation score of each seed, computed as for a trial."""

    by_seed: dict[int, float] = field(default_factory=dict)

    def after_fit(self, trainer: Trainer, scores: dict[str, float]) -> None:
        """Record the highest score of all epochs and of the weights averaged over the last epochs."""
        by_epoch = [*trainer.progress.history, *([scores] if scores else [])]
        selection = trainer.params.selection
        for epoch, epoch_scores in enumerate(trainer.progress.history):
            require_finite_score(selection, epoch, epoch_scores)
        self.by_seed[trainer.params.seed] = max(map(selection.score, by_epoch))


@dataclass(frozen=True)
class ConfirmationTrainer:
    """Trains configurations with new seeds, each in its own folder; see `name_folder`."""

    training_data: TrainingData
    runs: Runs
    trackers: TrialTrackers

    def train(
        self, name: str, network: NetworkParams, training: TrainingParams
    ) -> tuple[tuple[float, ...], pl.DataFrame]:
        """Train or resume; return the best score of each seed and the validation forecasts.

        The folder's name contains a hash of parameters, data and code, so a run in it is the same training: it is
        resumed, or only read if it is finished.
        """
        folder = self.runs.folder / "_confirmed" / self.name_folder(name, network, training)
        runs = replace(self.runs, folder=folder)
        resume = LATEST if (folder / LATEST / MANIFEST).exists() else None
        resumed = training.model_copy(update={"resume": resume})
        best = BestScores()
        with self.trackers.trial(name, {"seeds": training.seeds}, parent=self.trackers.current()) as tracker:
            trial_tracker = TrialTracker(tracker)
            trained = train_in_run(self.training_data, network, resumed, runs, tracker=trial_tracker, callbacks=[best])
        data = self.training_data.to(choose_device(training.device))
        forecasts = forecast_one_split(load_members(runs.find(trained.run), data), data, "validation")
        return tuple(best.by_seed[member.seed] for member in trained.members), forecasts

    def name_folder(self, name: str, network: NetworkParams, training: TrainingParams) -> str:
        """Name the folder of a configuration by a hash of its parameters, data and code."""
        params_as_json = (network.model_dump_json(), training.model_dump_json(exclude=set(FIELDS_NOT_IN_IDENTITY)))
        content = digest(
            *params_as_json,
            self.training_data.panel.identity,
            self.training_data.digest,
            hash_code(ConfirmationTrainer),
        )
        return f"{name}-{content}"


def confirm(
    status: StudyStatus,
    retrainer: ConfirmationTrainer,
    current_params: tuple[NetworkParams, TrainingParams],
    search_params: SearchParams,
    evaluation: EvaluationParams,
) -> Confirmation:
    """Retrain the winner and the current configuration, and compare them."""
    if (winner := status.best_trial) is None:
        raise InputError(f"No trial of the study {status.study} is complete: there is nothing to confirm.")
    network, training = current_params
    confirmation = Confirmation(
        study=status.study,
        trial=winner.number,
        metric=training.selection.label,
        params=winner.params,
        scored_trials=status.scored_trials,
    )
    if not search_params.confirm_seeds:
        return confirmation
    # The trials used training.seed, and may have had fewer epochs than the configuration, which both have now.
    new_seeds = {"seed": training.seed + 1, "seeds": search_params.confirm_seeds, "keep_epochs": 0}
    retraining = training.model_copy(update=new_seeds)
    current_scores, current_forecasts = retrainer.train(CURRENT, network, retraining)
    winner_scores, winner_forecasts = retrainer.train(WINNER, *apply_values(winner.params, network, retraining))
    # The differences are in rank IC. The error over seeds can be added only if the metric has the same unit.
    has_same_unit = training.selection.metric.startswith("rank_ic")
    seed_error = compute_seed_error(current_scores, winner_scores) if has_same_unit else None
    forecasts = {CURRENT: current_forecasts, WINNER: winner_forecasts}
    means = _compare_winner(forecasts, retrainer.training_data.panel.metadata.entry_lag, evaluation)
    probabilities = {h: compute_probability(mean, status.scored_trials, seed_error) for h, mean in means.items()}
    return confirmation.model_copy(
        update={
            "current_scores": current_scores,
            "winner_scores": winner_scores,
            "differences": {h: WinnerDifference(rank_ic=means[h], probability=probabilities[h]) for h in means},
            "horizon": find_main_horizon(training.selection, tuple(means)),
        }
    )


def _compare_winner(
    forecasts: dict[str, pl.DataFrame], entry_lag: int, evaluation: EvaluationParams
) -> dict[int, Mean]:
    """Compute the mean daily difference in rank IC, winner minus current configuration, by horizon."""
    returns = {run: {entry_lag: pivot_returns(table)} for run, table in forecasts.items()}
    rows = compare_runs(forecasts, returns, evaluation)
    return {row.horizon: row.differences["rank_ic"] for row in rows if row.run == WINNER}


def find_main_horizon(selection: SelectionParams, horizons: tuple[int, ...]) -> int:
    """Return the horizon of the metric; if it averages over horizons, the one of largest weight."""
    weights = dict(zip(horizons, selection.weigh_horizons(horizons), strict=True))
    return selection.horizon or max(horizons, key=weights.__getitem__)


def compute_seed_error(current: tuple[float, ...], winner: tuple[float, ...]) -> float:
    """Compute the standard error of the difference of two means over seeds.

    A configuration with a single seed adds no error, because its variance is unknown.
    """
    return float(sum(variance(scores) / len(scores) for scores in (current, winner) if len(scores) > 1) ** 0.5)


def compute_probability(difference: Mean, scored_trials: int, seed_error: float | None) -> float | None:
    """Compute the probability that a difference in rank IC is above zero.

    It is Φ(difference / error − M). M is the expected maximum of ``scored_trials`` standard normal numbers; it corrects
    for choosing the best trial. ``seed_error`` is None if the metric is not a rank IC. The probability is None if it,
    the difference or the error of the difference is None.
    """
    if difference.mean is None or not difference.se or seed_error is None:
        return None
    return NORMAL.cdf(difference.mean / (difference.se**2 + seed_error**2) ** 0.5 - expected_maximum(scored_trials))
