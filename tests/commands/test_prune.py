"""Pruning removes old runs and never one that a live forecast needs."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from atft_kedro.commands.prune import list_old_runs, remove_run
from atft_kedro.export.champion import ChampionRecord, Promotion, update_record
from atft_kedro.export.model_folder import ExportedModels
from atft_kedro.training.params import TrainingParams
from atft_kedro.training.runs import Runs
from factories.params import make_params


@pytest.fixture
def models(tmp_path: Path) -> ExportedModels:
    """Twelve runs: the first was champion once, the third is, and is a refit of the second."""
    runs = Runs(tmp_path / "runs", commit="a", is_dirty=False)
    names = [f"202601{day:02d}-run" for day in range(1, 13)]
    for name in names:
        (runs.folder / name).mkdir(parents=True)
        refit_of = names[1] if name == names[2] else None
        training = make_params(TrainingParams, refit_of=refit_of).model_dump(mode="json")
        (runs.folder / name / "manifest.json").write_text(json.dumps({"training": training}))
    runs.set_latest(names[-1])
    models = ExportedModels(runs)

    def crown(record: ChampionRecord) -> ChampionRecord:
        for name in (names[0], names[4], names[2]):
            record = record.promote(Promotion(run=name, how="forced", reason="tested"))
        return record.add_candidate(names[3])

    update_record(models.path, ChampionRecord(), crown)
    return models


def test_champions_recipes_challengers_and_journalled_runs_stay(models: ExportedModels) -> None:
    names = list(models.runs.names())

    assert list_old_runs(models, {names[5]}, keep=2) == names[6:10]
    assert list_old_runs(models, set(), keep=0) == [names[5], *names[6:11]]
    assert list_old_runs(models, set(), keep=100) == []


def test_a_run_in_training_stays(models: ExportedModels) -> None:
    names = list(models.runs.names())

    with models.runs.lock(models.runs.folder / names[6]):
        assert names[6] not in list_old_runs(models, set(), keep=2)
    assert names[6] in list_old_runs(models, set(), keep=2)


def test_only_the_removed_run_is_missing(models: ExportedModels) -> None:
    names = list(models.runs.names())
    remove_run(models.runs, names[6])

    assert list(models.runs.names()) == [name for name in names if name != names[6]]
    assert not list(models.runs.folder.glob(f"*{names[6]}*"))
    assert replace(models.runs).find("latest").name == names[-1]
