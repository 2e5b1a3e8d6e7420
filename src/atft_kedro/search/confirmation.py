"""The winner of a search, trained again with seeds that it was not chosen by, beside the configuration as it is."""

from dataclasses import dataclass, field, replace
from statistics import variance

import polars as pl

from ..evaluation.compare_runs import compare_runs, pivot_returns
from ..evaluation.daily_statistics import NORMAL, Mean, expect_best
from ..evaluation.forecast_table import forecast_split
from ..evaluation.score import EvaluationParams
from ..network.params import NetworkParams
from ..params import InputError, Params
from ..source_code import code_of, digest
from ..training.checkpoint import FIELDS_NOT_IN_IDENTITY
from ..training.data import TrainingData
from ..training.engine import Callback, Trainer
from ..training.ensemble import load_members
from ..training.hardware import choose_device
from ..training.params import TrainingParams
from ..training.run import train_in_run
from ..training.runs import LATEST, MANIFEST, Runs
from ..training.selection import SelectionParams
from .plan import SearchParams
from .space import Chosen, put
from .study_status import Standing
from .trial import Trackers, TrialTracker

BEFORE, AFTER = "as it is", "winner"


class Lead(Params):
    """By how much the winner's networks together are ahead over one horizon, in daily rank IC.

    ``chance`` is the probability that they truly are, when what luck gives the best of so many trials is taken off.
    """

    rank_ic: Mean
    chance: float | None


class Confirmation(Params):
    """What the winner is worth on the validation days: each seed's score, and the lead by horizon.

    ``horizon`` is the one that weighs most in the score.
    """

    study: str
    trial: int
    metric: str  # of the scores, in words
    chosen: Chosen
    tried: int
    before: tuple[float, ...]
    after: tuple[float, ...]
    leads: dict[int, Lead]
    horizon: int

    @property
    def gain(self) -> float | None:
        """Say by how much the winner's seeds are better on the average; None where none were trained."""
        if not self.after:
            return None
        return sum(self.after) / len(self.after) - sum(self.before) / len(self.before)


@dataclass
class BestScores(Callback):
    """Remembers each seed's best score, as a trial's is found."""

    of_seed: dict[int, float] = field(default_factory=dict)

    def at_end(self, trainer: Trainer, scores: dict[str, float]) -> None:
        """Look back at all epochs, and at the average of the last."""
        epochs = [*trainer.progress.history, *([scores] if scores else [])]
        self.of_seed[trainer.params.seed] = max(trainer.params.selection.score(epoch) for epoch in epochs)


@dataclass(frozen=True)
class Retrial:
    """Where configurations are trained again, and who is told."""

    training_data: TrainingData
    runs: Runs
    trackers: Trackers

    def train(
        self, name: str, network: NetworkParams, training: TrainingParams
    ) -> tuple[tuple[float, ...], pl.DataFrame]:
        """Train, or resume an earlier try; return each seed's best score and the forecasts of the validation days."""
        home = replace(self.runs, folder=self.runs.folder / "_confirmed" / self.name_folder(name, network, training))
        begun = LATEST if (home.folder / LATEST / MANIFEST).exists() else None
        resumed = training.model_copy(update={"resume": begun})
        best = BestScores()
        with self.trackers.trial(name, {"seeds": training.seeds}, self.trackers.current()) as tracker:
            told = TrialTracker(tracker, lambda run: None)
            trained = train_in_run(self.training_data, network, resumed, home, tracker=told, watchers=[best])
        training_data = self.training_data.to(choose_device(training.device))
        said = forecast_split(load_members(home.find(trained.run), training_data), training_data, "validation")
        return tuple(best.of_seed[member.seed] for member in trained.members), said

    def name_folder(self, name: str, network: NetworkParams, training: TrainingParams) -> str:
        """Name a configuration's folder by all that decides its numbers: parameters, data and code."""
        decided = (network.model_dump_json(), training.model_dump_json(exclude=set(FIELDS_NOT_IN_IDENTITY)))
        made_of = digest(*decided, self.training_data.panel.identity, self.training_data.digest, code_of(Retrial))
        return f"{name.replace(' ', '_')}-{made_of}"


def confirm(
    standing: Standing,
    retrial: Retrial,
    configured: tuple[NetworkParams, TrainingParams],
    params: SearchParams,
    evaluation: EvaluationParams,
) -> Confirmation:
    """Train the best trial's configuration and the one as it is, both to their full length, and compare them by day."""
    winner = standing.winner
    if winner is None:
        raise InputError(f"No trial of the study {standing.study} was trained to its end: there is nothing to confirm.")
    said = {
        "study": standing.study,
        "trial": winner.number,
        "metric": configured[1].selection.label,
        "chosen": winner.chosen,
        "tried": standing.tried,
    }
    if not params.confirm_seeds:
        return Confirmation(**said, before=(), after=(), leads={}, horizon=0)
    network, training = configured
    others = {"seed": training.seed + 1, "seeds": params.confirm_seeds, "keep_epochs": 0}  # trials had training.seed
    training = training.model_copy(update=others)
    before, as_it_is = retrial.train(BEFORE, network, training)
    after, chosen = retrial.train(AFTER, *put(winner.chosen, network, training))
    forecasts = {BEFORE: as_it_is, AFTER: chosen}
    entry_lag = retrial.training_data.panel.metadata.entry_lag
    returns = {run: {entry_lag: pivot_returns(each)} for run, each in forecasts.items()}
    rows = [row for row in compare_runs(forecasts, returns, evaluation) if row.run == AFTER]
    spread = spread_of(before, after) if training.selection.metric.startswith("rank_ic") else None
    leads = {
        row.horizon: Lead(
            rank_ic=row.differences["rank_ic"], chance=chance_of(row.differences["rank_ic"], standing.tried, spread)
        )
        for row in rows
    }
    horizon = find_heaviest(training.selection, tuple(leads))
    return Confirmation(**said, before=before, after=after, leads=leads, horizon=horizon)


def find_heaviest(selection: SelectionParams, horizons: tuple[int, ...]) -> int:
    """Find the horizon that weighs most in the score of an epoch."""
    weights = dict(zip(horizons, selection.weigh_horizons(horizons), strict=True))
    return selection.horizon or max(horizons, key=weights.__getitem__)


def spread_of(before: tuple[float, ...], after: tuple[float, ...]) -> float:
    """Say how sure the difference of two means over seeds is; nothing is known from a single seed."""
    return float(sum(variance(scores) / len(scores) for scores in (before, after) if len(scores) > 1) ** 0.5)


def chance_of(lead: Mean, tried: int, spread: float | None) -> float | None:
    """Compute how likely a lead in rank IC is not the chance of its seeds or of the best of ``tried`` trials.

    None where it is unknown: ``spread``, the error over seeds, is known in rank IC only if that chose the trials.
    """
    if lead.mean is None or not lead.se or spread is None:
        return None
    return NORMAL.cdf(lead.mean / (lead.se**2 + spread**2) ** 0.5 - expect_best(tried))
