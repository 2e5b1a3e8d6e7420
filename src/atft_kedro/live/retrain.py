"""Retraining: the gate's verdict on a new run, and the refit of a run that passed the gate."""

import logging
from pathlib import Path

import polars as pl

from ..advice import advise_run
from ..evaluation.conformal import Corrections
from ..evaluation.score import ScoringParams
from ..export.champion import (
    CHAMPION,
    OTHER,
    ChampionRecord,
    GateRule,
    GateVerdict,
    ModelRole,
    Promotion,
    update_record,
)
from ..export.model import Model, load_model
from ..export.model_folder import ExportedModels
from ..export.predict import PredictParams
from ..files import parse_model, read_json
from ..params import InputError
from ..schema import DATE, FORECAST, HORIZON
from ..training.params import TrainingParams
from ..training.run_status import read_training
from ..training.runs import Runs
from .gate import VERDICT_FILE, ChampionParams, GateData, apply_gate

CORRECTIONS = "quantile_corrections.json"
SPREAD_DAYS = 5  # newest days on which a refit's forecasts are checked

_logger = logging.getLogger(__name__)


def start_from_champion(training: TrainingParams, runs: Runs) -> TrainingParams:
    """Replace ``champion`` in ``training.init_from`` by the champion's run.

    A refit has learned from the newest days, so the run of its recipe replaces it.
    """
    if training.init_from != CHAMPION:
        return training
    if training.resume is not None:  # the run that is resumed knows its start
        return training.model_copy(update={"init_from": None})
    champion = ExportedModels(runs).find_role(CHAMPION)
    recipe = read_training(runs.folder / champion).refit_of
    return training.model_copy(update={"init_from": recipe or champion})


def check_candidate(
    models: ExportedModels,
    role: ModelRole,
    data: GateData,
    params: ChampionParams,
    scoring: ScoringParams,
    limits: PredictParams,
) -> GateVerdict:
    """Apply the gate to a new run, and log its verdict.

    The first champion of a workspace passes without rules. A run that is not a candidate does not pass.
    """
    if role.role == CHAMPION:
        rules = (GateRule(name="first", is_met=True, result="the first candidate is the champion without comparison"),)
        verdict = GateVerdict(challenger=role.run, champion=role.run, first=None, last=None, rules=rules)
    elif role.role == OTHER:
        rules = (GateRule(name="candidate", is_met=False, result="this run is not a candidate, see `champion:`"),)
        verdict = GateVerdict(challenger=role.run, champion=None, first=None, last=None, rules=rules)
    else:
        verdict = apply_gate(models, role.run, data, params, scoring, limits)
    for rule in verdict.rules:
        _logger.info("gate, %s: %s (%s)", rule.name, "met" if rule.is_met else "not met", rule.result)
    _logger.info("run %s %s the gate", role.run, "passes" if verdict.passed else "does not pass")
    return verdict


def find_passed_run(models: ExportedModels) -> str:
    """Find the newest exported run; refuse one that has not passed the current gate."""
    run = next((name for name in reversed(models.names()) if _find_recipe(models, name) is None), None)
    path = models.runs.folder / str(run) / VERDICT_FILE
    advice = advise_run("--pipelines retrain")
    if run is None or not path.exists():
        raise InputError(f"Run {run} has no verdict of the gate: {advice} trains a run and compares it.")
    verdict, champion = read_verdict(path.parent), models.record.champion
    if not verdict.passed:
        failed = ", ".join(f"{rule.name} ({rule.result})" for rule in verdict.rules if not rule.is_met)
        raise InputError(f"Run {run} did not pass the gate: {failed}. The champion stays {champion}.")
    if verdict.champion != champion:
        raise InputError(
            f"Run {run} was compared with {verdict.champion}, but the champion is now {champion}: {advice} compares it "
            "again."
        )
    return run


def _find_recipe(models: ExportedModels, run: str) -> str | None:
    return read_training(models.runs.folder / run).refit_of


def read_verdict(folder: Path) -> GateVerdict:
    """Read the gate's verdict on a run."""
    return parse_model(read_json(folder / VERDICT_FILE), GateVerdict, folder / VERDICT_FILE)


def read_corrections(folder: Path) -> Corrections:
    """Read the quantile corrections of a run."""
    return parse_model(read_json(folder / CORRECTIONS), Corrections, folder / CORRECTIONS)


def promote_refit(models: ExportedModels, run: str, dataset: pl.LazyFrame) -> ModelRole:
    """Make a refit the champion; the verdict is that of its recipe.

    A refit whose forecasts have collapsed, or whose recipe was compared with another champion, is refused.
    """
    require_spread(load_model(models.find(run)), dataset, read_training(models.runs.folder / run).collapse.scale)
    recipe = str(_find_recipe(models, run))
    verdict = read_verdict(models.runs.folder / recipe)
    change = Promotion(run=run, how="gate", reason=f"refit of {recipe} on all days", verdict=verdict)

    def replace(record: ChampionRecord) -> ChampionRecord:
        """Promote the refit in a record that has not changed since the verdict."""
        if record.champion == run:  # this stage was interrupted after the promotion
            return record
        if record.champion not in (verdict.champion, recipe):
            raise InputError(f"Meanwhile {record.champion} has become the champion: {run} is not promoted.")
        return record.promote(change)

    update_record(models.path, models.record, replace)
    return ModelRole(run=run, role=CHAMPION)


def require_spread(model: Model, dataset: pl.LazyFrame, least: float) -> None:
    """Refuse a model whose forecasts hardly differ between stocks; labels have a deviation of 1."""
    days = min(SPREAD_DAYS, dataset.select(pl.col(DATE).n_unique()).collect().item())
    forecasts = model.forecast(dataset, days).group_by(DATE, HORIZON).agg(pl.col(FORECAST).std())
    spread = forecasts[FORECAST].mean()
    if not isinstance(spread, float) or spread < least:
        raise InputError(f"The forecasts of run {model.card.run} have collapsed: their deviation is {spread!r}.")
