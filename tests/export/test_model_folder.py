"""Model folders are written completely, found by their run and replaced by a new export."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from atft_kedro.export.champion import MODEL_ROLE_FILE, ModelRole
from atft_kedro.export.model_card import CARD_FILE, WEIGHTS_FILE
from atft_kedro.export.model_folder import ExportedModels, export_model, name_model
from atft_kedro.params import InputError
from atft_kedro.training.runs import LATEST, MANIFEST
from factories.exports import Trained


def test_the_folder_names_the_day_and_the_score(trained: Trained, model_folder: Path) -> None:
    portfolio = trained.score.split["test"][1].long_short

    assert portfolio is not None
    assert model_folder.name == f"gatfan_{trained.run.name[:8]}_Sharpe{portfolio.net_sharpe:.2f}"
    assert sorted(file.name for file in model_folder.iterdir()) == [CARD_FILE, WEIGHTS_FILE]
    assert name_model("20261121-1", -1.234) == "gatfan_20261121_Sharpe-1.23"
    assert name_model("20261121-1", None) == "gatfan_20261121_Sharpenone"


def test_a_run_that_is_exported_again_has_one_model(trained: Trained, tmp_path: Path) -> None:
    run = tmp_path / trained.run.name
    shutil.copytree(trained.run, run)
    (run / "gatfan_20200101_Sharpe9.99").mkdir()

    first = export_model(run, trained.members, trained.inputs, trained.corrections, trained.score)
    again = export_model(run, trained.members, trained.inputs, trained.corrections, trained.score)

    assert first == again
    assert [found.name for found in run.glob("*gatfan*")] == [first.folder]


def test_a_score_of_another_run_is_refused(trained: Trained) -> None:
    other = trained.score.model_copy(update={"run": "20200101-other"})

    with pytest.raises(InputError, match="The score is of run 20200101-other, but the model is of run"):
        export_model(trained.run, trained.members, trained.inputs, trained.corrections, other)


def test_models_are_found_by_their_run_and_latest_is_the_newest_that_has_one(trained: Trained, tmp_path: Path) -> None:
    runs = replace(trained.runs, folder=tmp_path)
    models = ExportedModels(runs)
    with pytest.raises(InputError, match="No run in .* has an exported model: kedro run --pipelines evaluate,export"):
        models.find(LATEST)
    shutil.copytree(trained.run, tmp_path / trained.run.name)
    folder = export_model(
        tmp_path / trained.run.name, trained.members, trained.inputs, trained.corrections, trained.score
    ).folder
    training_now = runs.create({"panel": "p"})

    assert models.find(LATEST) == models.find(trained.run.name) == tmp_path / trained.run.name / folder
    with pytest.raises(InputError, match=f"{training_now.name} has no exported model: .*: {trained.run.name}"):
        models.find(training_now.name)
    with pytest.raises(InputError, match="There is no run 'unknown'"):
        models.find("unknown")


def test_a_run_with_a_manifest_of_another_version_is_not_exported(trained: Trained, tmp_path: Path) -> None:
    run = tmp_path / trained.run.name
    run.mkdir()
    manifest = json.loads((trained.run / MANIFEST).read_text())
    del manifest["is_dirty"]
    (run / MANIFEST).write_text(json.dumps(manifest))

    with pytest.raises(InputError, match=r"manifest.json was written by another version .*: it has no 'is_dirty'\."):
        export_model(run, trained.members, trained.inputs, trained.corrections, trained.score)


@pytest.fixture
def three_runs(trained: Trained, tmp_path: Path) -> ExportedModels:
    """Exported runs from before there was a champion's record; the second is a smoke run."""
    runs = replace(trained.runs, folder=tmp_path / "runs")
    for name in ("20260101-a", "20260102-b", "20260103-c"):
        shutil.copytree(trained.run, runs.folder / name, ignore=shutil.ignore_patterns("gatfan_*"))
        (runs.folder / name / "gatfan_1").mkdir()
        (runs.folder / name / "gatfan_1" / CARD_FILE).write_text("{}")
    manifest = runs.folder / "20260102-b" / MANIFEST
    tree = json.loads(manifest.read_text())
    tree["training"]["steps_per_phase"] = 3
    manifest.write_text(json.dumps(tree))
    return ExportedModels(runs)


def test_the_newest_model_without_smoke_is_the_champion_of_runs_without_a_record(three_runs: ExportedModels) -> None:
    assert three_runs.find("champion").parent.name == "20260103-c"
    with pytest.raises(InputError, match="There is no challenger among the runs"):
        three_runs.find("challenger")
    shutil.rmtree(three_runs.runs.folder / "20260103-c")
    assert three_runs.find("champion").parent.name == "20260101-a"


def test_a_new_export_does_not_replace_the_champion_of_runs_without_a_record(three_runs: ExportedModels) -> None:
    assert three_runs.add_candidate("20260103-c") == "challenger"

    assert three_runs.record.champion == "20260101-a"
    assert three_runs.add_candidate("20260102-b") == "other"
    assert three_runs.record.challenger == "20260103-c"


def test_a_smoke_run_alone_leaves_no_champion(three_runs: ExportedModels) -> None:
    for name in ("20260101-a", "20260103-c"):
        shutil.rmtree(three_runs.runs.folder / name)

    assert three_runs.add_candidate("20260102-b") == "other"
    with pytest.raises(InputError, match="There is no champion among the runs .*: a smoke run never becomes one"):
        three_runs.find("champion")


def test_a_run_that_is_no_candidate_never_becomes_the_live_model(three_runs: ExportedModels) -> None:
    for name in ("20260101-a", "20260102-b"):
        shutil.rmtree(three_runs.runs.folder / name)
    run = three_runs.runs.folder / "20260103-c"
    role = three_runs.add_candidate(run.name, is_candidate=False)
    (run / MODEL_ROLE_FILE).write_text(ModelRole(run=run.name, role=role).model_dump_json())

    assert role == "other"
    assert not three_runs.is_candidate(run.name)
    with pytest.raises(InputError, match="There is no champion"):
        three_runs.find("champion")
    three_runs.path.unlink()
    assert three_runs.record.champion is None


def test_a_run_that_is_exported_again_does_not_replace_a_later_challenger(three_runs: ExportedModels) -> None:
    for name in ("20260101-a", "20260103-c"):
        role = three_runs.add_candidate(name)
        path = three_runs.runs.folder / name / MODEL_ROLE_FILE
        path.write_text(ModelRole(run=name, role=role).model_dump_json())
    before = three_runs.record

    three_runs.add_candidate("20260101-a")

    assert three_runs.record == before
