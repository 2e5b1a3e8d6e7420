"""The gate: a challenger becomes champion only if it meets stated rules on days that neither has learned from."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import polars as pl
import torch
from pydantic import Field

from ..evaluation.compare_runs import compare_runs
from ..evaluation.daily_statistics import Mean
from ..evaluation.entries import collect_returns, returns_by_lag
from ..evaluation.run_scores import read_score
from ..evaluation.score import ScoringParams
from ..export.champion import ChampionRecord, GateRule, GateVerdict
from ..export.inference_inputs import exclude_stocks_with_unknown_features
from ..export.model import Model, load_model
from ..export.model_folder import ExportedModels
from ..export.predict import PredictParams, require_recent
from ..files import atomic_write
from ..guard.keys import RecencyParams
from ..panel.scaler import FeatureCatalogue
from ..params import InputError, Params
from ..schema import DATE, target
from ..training.hardware import CPU
from ..training.initial_weights import find_learned_until
from ..training.run_status import read_training
from ..training.runs import read_manifest

VERDICT_FILE = "gate.json"  # in the folder of the challenger's run

Count = Annotated[int, Field(gt=0)]


class ChampionParams(Params):
    """Which models can become champion, and the rules of the gate.

    Champion and challenger are forecast anew on the newest ``days`` that neither has learned from, and are compared by
    the daily rank IC over the shortest horizon, entered at the next close. t is the mean of the daily differences
    divided by its standard error. It must exceed ``min_t``, or ``min_t_old`` if the champion was promoted more than
    ``old_after_days`` days ago. ``goals`` names goals of the run that must be met, as in ``rank_ic_h1``.
    """

    is_candidate: bool
    days: Count
    min_days: Count
    min_t: float
    min_t_old: float
    old_after_days: Count
    min_rank_ic: float
    goals: tuple[str, ...]


@dataclass(frozen=True)
class GateData:
    """The data of a gate."""

    dataset: pl.LazyFrame  # the ML dataset under the project's column names
    catalogue: FeatureCatalogue
    entry_lag: int  # of its targets
    guard_verdict: Mapping[str, Any]
    today: date
    recency: RecencyParams
    device: torch.device = CPU


@dataclass(frozen=True)
class Comparison:
    """The challenger's scores on the gate days, and its mean daily lead over the champion."""

    days: pl.Series  # days with known returns
    rank_ic: Mean
    lead: Mean

    @property
    def t(self) -> float | None:
        """Return the mean lead divided by its standard error; None if either is undefined."""
        return self.lead.mean / self.lead.se if self.lead.mean is not None and self.lead.se else None


def apply_gate(
    models: ExportedModels,
    run: str,
    data: GateData,
    params: ChampionParams,
    scoring: ScoringParams,
    limits: PredictParams,
) -> GateVerdict:
    """Compare a run with the champion by every rule, and store the verdict in the run's folder."""
    record, folder = models.record, models.find(run).parent
    if record.champion is None:
        raise InputError("There is no champion to compare with.")
    if folder.name == record.champion:
        raise InputError(f"Run {folder.name} is already the champion.")
    try:
        compared = compare_on_gate_days(models, (record.champion, folder.name), data, params, scoring, limits)
        rules = list(_check_comparison(compared, record, data.today, params))
        first, last = str(compared.days[0]), str(compared.days[-1])
    except InputError as error:
        rules, first, last = [GateRule(name="comparison", is_met=False, result=str(error))], None, None
    verdict = GateVerdict(
        challenger=folder.name,
        champion=record.champion,
        first=first,
        last=last,
        rules=(*rules, *_check_goals(folder, params), *_check_data(data, limits)),
    )
    with atomic_write(folder / VERDICT_FILE) as partial:
        partial.write_text(verdict.model_dump_json(indent=2))
    return verdict


def compare_on_gate_days(
    models: ExportedModels,
    runs: tuple[str, ...],
    data: GateData,
    params: ChampionParams,
    scoring: ScoringParams,
    limits: PredictParams,
) -> Comparison:
    """Forecast the gate days with both models and compare the second with the first by day.

    A refit has learned from all days, so its recipe's run is compared.
    """
    runs = tuple(find_recipe(models.runs.folder / run).name for run in runs)
    if runs[0] == runs[1]:
        raise InputError(f"The champion and its challenger are both trained by the recipe of run {runs[0]}.")
    loaded = {run: load_model(models.find(run), data.device) for run in runs}
    dates = data.dataset.select(pl.col(DATE).unique().sort()).collect()[DATE]
    first = 0
    for run, model in loaded.items():
        model.card.inputs.require_same_features(data.catalogue, data.entry_lag)
        learned = int((dates <= find_learned_until(read_manifest(models.runs.folder / run))).sum())
        span = max(model.card.horizons) + model.card.inputs.entry_lag  # days until the label of a learned day ends
        first = max(first, learned + span)
    days = dates[first:]
    days = days.tail(params.days)
    returns = returns_by_lag(collect_returns(data.dataset, days, data.entry_lag), data.entry_lag) if len(days) else {}
    horizon = min(min(model.card.horizons) for model in loaded.values())
    known = returns[max(returns)].drop_nulls(target(horizon))[DATE].unique().sort() if returns else days
    if len(known) < 2:
        raise InputError(
            f"No day is left that neither {runs[0]} nor {runs[1]} has learned from: wait for newer prices."
        )
    forecasts = {run: forecast_as_live(model, data.dataset, len(days), limits) for run, model in loaded.items()}
    units = scoring.with_units(loaded[runs[0]].card.corrections.units)
    rows = compare_runs(forecasts, dict.fromkeys(runs, returns), units)
    row = next(row for row in reversed([row for row in rows if row.horizon == rows[0].horizon]) if row.run == runs[1])
    return Comparison(known, row.score.rank_ic, row.differences["rank_ic"])


def forecast_as_live(model: Model, dataset: pl.LazyFrame, days: int, limits: PredictParams) -> pl.DataFrame:
    """Forecast the newest days without the stocks that ``predict`` leaves out."""
    prepared, scaler = model.prepare(dataset, days), model.card.inputs.scaler
    known = exclude_stocks_with_unknown_features(prepared, scaler, limits.max_unknown_features, 1)
    return model.forecast_inputs(known)


def find_recipe(run: Path) -> Path:
    """Return the folder of the run whose recipe a refit has; else the run's own folder."""
    return run.with_name(read_training(run).refit_of or run.name)


def _check_comparison(
    compared: Comparison, record: ChampionRecord, today: date, params: ChampionParams
) -> Iterator[GateRule]:
    """Apply the rules for the scores on the gate days."""
    count, value, since = compared.lead.days, compared.rank_ic.mean, record.since
    yield GateRule(name="gate days", is_met=count >= params.min_days, result=f"{count}, at least {params.min_days}")
    is_old = since is not None and (today - since.date()).days > params.old_after_days
    limit = params.min_t_old if is_old else params.min_t
    age = f"the champion is older than {params.old_after_days} days" if is_old else "the champion is not old"
    lead = "unknown" if compared.t is None else f"{compared.lead.mean:+.4f}, t = {compared.t:.2f}"
    is_ahead = compared.t is not None and compared.t > limit
    yield GateRule(name="lead in rank IC", is_met=is_ahead, result=f"{lead}; t above {limit:g}, because {age}")
    is_high = value is not None and value >= params.min_rank_ic
    text = "unknown" if value is None else f"{value:.4f}"
    yield GateRule(name="rank IC", is_met=is_high, result=f"{text}, at least {params.min_rank_ic:g}")


def _check_goals(run: Path, params: ChampionParams) -> Iterator[GateRule]:
    """Require the goals that ``params`` names in the score of the challenger's run."""
    goals = read_score(find_recipe(run)).goals if params.goals else {}
    for name in params.goals:
        result = "there is no such goal" if name not in goals else f"{goals[name].value} is {goals[name].verdict}"
        yield GateRule(name=f"goal {name}", is_met=name in goals and goals[name].is_met, result=result)


def _check_data(data: GateData, limits: PredictParams) -> Iterator[GateRule]:
    """Require a guard's verdict on the newest day, and that this day is not too old."""
    newest = str(data.dataset.select(pl.col(DATE).max()).collect().item())
    inspected = data.guard_verdict["last"]
    yield GateRule(name="guard", is_met=inspected == newest, result=f"inspected up to {inspected}, newest day {newest}")
    try:
        age = require_recent(data.dataset, data.today, limits, data.recency)
    except InputError as error:
        yield GateRule(name="age of the data", is_met=False, result=str(error))
    else:
        yield GateRule(name="age of the data", is_met=True, result="any" if age is None else f"{age} trading days")
