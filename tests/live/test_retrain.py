"""Only a run that passed the gate against the current champion is fitted again."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from atft_kedro.evaluation.score import ScoringParams
from atft_kedro.export.champion import (
    ChampionRecord,
    GateRule,
    GateVerdict,
    ModelRole,
    Promotion,
    Role,
    read_record,
    update_record,
)
from atft_kedro.export.model_card import read_card
from atft_kedro.export.model_folder import ExportedModels, export_model
from atft_kedro.export.predict import PredictParams
from atft_kedro.live.gate import VERDICT_FILE, ChampionParams
from atft_kedro.live.retrain import (
    check_candidate,
    find_passed_run,
    promote_refit,
    read_corrections,
    start_from_champion,
)
from atft_kedro.params import InputError
from atft_kedro.training.params import TrainingParams
from atft_kedro.training.runs import MANIFEST
from factories.exports import Trained
from factories.params import make_params

OLD, NEW, REFIT = "20260101-a", "20260102-b", "20260103-c"
TRAINING = make_params(TrainingParams)


def write_verdict(models: ExportedModels, is_met: bool, champion: str | None) -> GateVerdict:
    rule = GateRule(name="lead in rank IC", is_met=is_met, result="t = 0.81")
    verdict = GateVerdict(challenger=NEW, champion=champion, first=None, last=None, rules=(rule,))
    (models.runs.folder / NEW / VERDICT_FILE).write_text(verdict.model_dump_json())
    return verdict


@pytest.fixture
def models(trained: Trained, tmp_path: Path) -> ExportedModels:
    """A champion, a newer run that passed the gate, and the refit of that run."""
    runs = replace(trained.runs, folder=tmp_path / "runs")
    for name in (OLD, NEW, REFIT):
        folder = Path(shutil.copytree(trained.run, runs.folder / name, ignore=shutil.ignore_patterns("gatfan_*")))
        if name == REFIT:
            manifest = json.loads((folder / MANIFEST).read_text())
            manifest["training"]["refit_of"] = NEW
            (folder / MANIFEST).write_text(json.dumps(manifest))
        score = trained.score.model_copy(update={"run": NEW if name == REFIT else name})
        export_model(folder, trained.members, trained.inputs, trained.corrections, score)
    (runs.folder / NEW / "quantile_corrections.json").write_text(trained.corrections.model_dump_json())
    models = ExportedModels(runs)
    first = Promotion(run=OLD, how="first", reason="tested")
    update_record(models.path, ChampionRecord(), lambda record: record.promote(first))
    write_verdict(models, is_met=True, champion=OLD)
    return models


def test_the_newest_run_that_is_no_refit_must_have_passed_the_gate(models: ExportedModels) -> None:
    assert find_passed_run(models) == NEW
    write_verdict(models, is_met=False, champion=OLD)
    with pytest.raises(InputError, match=r"did not pass the gate: lead in rank IC \(t = 0.81\). The champion stays"):
        find_passed_run(models)
    (models.runs.folder / NEW / VERDICT_FILE).unlink()
    with pytest.raises(InputError, match=f"Run {NEW} has no verdict of the gate: kedro run --pipelines retrain"):
        find_passed_run(models)


def test_a_verdict_against_another_champion_does_not_count(models: ExportedModels) -> None:
    write_verdict(models, is_met=True, champion="another")

    with pytest.raises(InputError, match=f"was compared with another, but the champion is now {OLD}"):
        find_passed_run(models)


def test_the_refit_is_promoted_once_with_the_verdict_of_its_recipe(models: ExportedModels, trained: Trained) -> None:
    dataset = trained.dataset.lazy()
    roles = {promote_refit(models, REFIT, dataset).role for _ in range(2)}  # the second time after an interruption

    record = read_record(models.path)
    assert record is not None
    assert (roles, record.champion, record.challenger) == ({"champion"}, REFIT, OLD)
    assert [change.how for change in record.history] == ["first", "gate"]
    assert record.history[-1].verdict == write_verdict(models, is_met=True, champion=OLD).model_copy(
        update={"made_at": record.history[-1].verdict.made_at}  # type: ignore[union-attr]
    )
    card = read_card(models.find(REFIT) / "model.json")
    assert (card.recipe_run, read_card(models.find(NEW) / "model.json").recipe_run) == (NEW, None)
    assert card.corrections == read_corrections(models.runs.folder / NEW)


def test_the_score_of_a_refit_is_that_of_its_recipe_only(models: ExportedModels, trained: Trained) -> None:
    for run, scored in ((REFIT, REFIT), (NEW, OLD)):
        score = trained.score.model_copy(update={"run": scored})
        with pytest.raises(InputError, match=f"The score is of run {scored}, but the model is of run {run}"):
            export_model(models.runs.folder / run, trained.members, trained.inputs, trained.corrections, score)


@pytest.mark.parametrize(("role", "passes"), [("champion", True), ("other", False)])
def test_the_first_champion_passes_and_a_smoke_run_does_not(models: ExportedModels, role: Role, passes: bool) -> None:
    blocks: list[Any] = [make_params(model) for model in (ChampionParams, ScoringParams, PredictParams)]
    data: Any = None  # is not read

    verdict = check_candidate(models, ModelRole(run=NEW, role=role), data, *blocks)

    assert verdict.passed == passes


def test_a_collapsed_refit_is_not_promoted(models: ExportedModels, trained: Trained) -> None:
    manifest = models.runs.folder / REFIT / MANIFEST
    tree = json.loads(manifest.read_text())
    tree["training"]["collapse"]["scale"] = 50.0  # more than the forecasts of any network
    manifest.write_text(json.dumps(tree))

    with pytest.raises(InputError, match=f"The forecasts of run {REFIT} have collapsed: their deviation is 0"):
        promote_refit(models, REFIT, trained.dataset.lazy())
    assert models.record.champion == OLD


def test_a_refit_does_not_replace_a_champion_of_the_meantime(models: ExportedModels, trained: Trained) -> None:
    write_verdict(models, is_met=True, champion="another")

    with pytest.raises(InputError, match=f"Meanwhile {OLD} has become the champion: {REFIT} is not promoted"):
        promote_refit(models, REFIT, trained.dataset.lazy())


def test_a_run_starts_from_the_champion_or_from_the_recipe_of_a_refit(models: ExportedModels, trained: Trained) -> None:
    training = TRAINING.model_copy(update={"init_from": "champion"})

    assert start_from_champion(training, models.runs).init_from == OLD
    promote_refit(models, REFIT, trained.dataset.lazy())
    assert start_from_champion(training, models.runs).init_from == NEW
    resumed = training.model_copy(update={"resume": OLD})
    assert start_from_champion(resumed, models.runs).init_from is None
    assert start_from_champion(TRAINING, models.runs) == TRAINING
