"""An exported model has the run's weights bit for bit, and a damaged one is refused."""

import json
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from atft_kedro.export.changelog import CHANGELOG, add_to_changelog
from atft_kedro.export.model import load_model
from atft_kedro.export.model_card import CARD, WEIGHTS
from atft_kedro.export.model_folder import ExportedModel, ExportedModels, export_model, name_model
from atft_kedro.params import InputError
from atft_kedro.training.forecasting import forecast_ensemble, load_members
from atft_kedro.training.runs import LATEST
from factories.exports import Trained


def test_the_folder_names_the_day_and_the_score(trained: Trained, model_folder: Path) -> None:
    book = trained.score.split["test"][1].long_short

    assert book is not None
    assert model_folder.name == f"gatfan_{trained.run.name[:8]}_Sharpe{book.net_sharpe:.2f}"
    assert sorted(file.name for file in model_folder.iterdir()) == [CARD, WEIGHTS]
    assert name_model("20261121-1", -1.234) == "gatfan_20261121_Sharpe-1.23"
    assert name_model("20261121-1", None) == "gatfan_20261121_Sharpenone"


def test_a_loaded_model_forecasts_bit_equal_to_the_checkpoints(trained: Trained, model_folder: Path) -> None:
    loaded = load_model(model_folder).members

    assert [member.modules for member in loaded] == [frozenset({"fan", "gat"})] * 2
    expected, exported = (
        forecast_ensemble(members, trained.training_data, "test") for members in (trained.members, loaded)
    )
    assert exported.quantiles.isfinite().any()
    assert exported.quantiles.nan_to_num(-7).equal(expected.quantiles.nan_to_num(-7))


def test_a_run_that_is_exported_again_has_one_model(trained: Trained, tmp_path: Path) -> None:
    run = tmp_path / trained.run.name
    shutil.copytree(trained.run, run)
    (run / "gatfan_20200101_Sharpe9.99").mkdir()

    first = export_model(run, trained.members, trained.inputs, trained.corrections, trained.score)
    again = export_model(run, trained.members, trained.inputs, trained.corrections, trained.score)

    assert first == again
    assert [found.name for found in run.glob("*gatfan*")] == [first.folder]


def break_json(folder: Path) -> None:
    (folder / CARD).write_text((folder / CARD).read_text()[:-20])


def lose_weights(folder: Path) -> None:
    (folder / WEIGHTS).unlink()


def cut_weights(folder: Path) -> None:
    (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:-4])


def lose_card(folder: Path) -> None:
    (folder / CARD).unlink()


def change_edge_attributes(folder: Path) -> None:
    card = json.loads((folder / CARD).read_text())
    (folder / CARD).write_text(json.dumps(card | {"edge_attributes": ["correlation"]}))


def grow(folder: Path) -> None:
    """Change the card to a larger network than that of the weights."""
    card = json.loads((folder / CARD).read_text())
    card["network"]["selection_size"] = 16
    (folder / CARD).write_text(json.dumps(card))


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (break_json, "model.json is damaged or of another version"),
        (lose_card, "is not an exported model: it has no model.json"),
        (lose_weights, "has no weights.safetensors"),
        (cut_weights, "was changed or cut off: its hash is not the one in model.json"),
        (change_edge_attributes, r"has the edge attributes \('correlation',\), not"),
        (grow, "(?s)do not fit the network of model.json: .*variable_selection.from_features.weight"),
    ],
)
def test_a_broken_folder_is_refused(
    harm: Callable[[Path], None], message: str, model_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / model_folder.name
    shutil.copytree(model_folder, folder)
    harm(folder)

    with pytest.raises(InputError, match=message):
        load_model(folder)


def test_a_run_without_a_checkpoint_is_not_exported(trained: Trained, tmp_path: Path) -> None:
    run = tmp_path / trained.run.name
    shutil.copytree(trained.run, run)
    (run / "seed_8" / "best.pt").unlink()

    with pytest.raises(InputError, match="There is no checkpoint at .*seed_8/best.pt"):
        load_members(run, trained.training_data)


def test_a_score_of_another_run_is_refused(trained: Trained) -> None:
    other = trained.score.model_copy(update={"run": "20200101-other"})

    with pytest.raises(InputError, match="The score is of run 20200101-other, the model of run"):
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


def test_the_changelog_has_a_line_for_each_run_the_newest_first(trained: Trained, tmp_path: Path) -> None:
    names = ["20260101-a", "20260301-c", "20260201-b"]
    for name in names:
        shutil.copytree(trained.run, tmp_path / name)

    def enter_run(name: str) -> None:
        add_to_changelog(tmp_path / name, ExportedModel(run=name, folder=f"gatfan_{name}", score=-0.5), trained.score)

    with ThreadPoolExecutor(4) as pool:  # runs that end at the same time lose no line
        list(pool.map(enter_run, names * 4))

    lines = (tmp_path / CHANGELOG).read_text().splitlines()
    assert [line.split(" | ")[1] for line in lines[4:]] == ["20260301-c", "20260201-b", "20260101-a"]
    assert lines[4].startswith("| 2026-03-01 | 20260301-c | abcdef012 with changes | ")
    assert lines[4].endswith("| -0.50 | gatfan_20260301-c |")
