"""A model card is read back as it was written; a damaged one or one of another version is refused."""

import json
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from atft_kedro import source_code
from atft_kedro.export.model import load_model
from atft_kedro.export.model_card import CARD_FILE, ModelInputs, find_price_columns, read_card
from atft_kedro.features.build import FeatureParams
from atft_kedro.features.feature import describe_columns
from atft_kedro.market.cleaning import CleaningParams
from atft_kedro.params import InputError
from atft_kedro.plugins import hash_plugins
from factories.exports import GRAPH, UNIVERSE, Trained
from factories.params import make_params
from factories.plugins import plugin_package

OTHER_VERSION = "model.json was written by another version of this project: "


def test_a_card_is_read_back_as_it_was_written(trained: Trained, model_folder: Path) -> None:
    card = read_card(model_folder / CARD_FILE)

    assert (card.run, card.commit, card.is_dirty) == (trained.run.name, "abcdef0123456", True)
    assert (card.inputs, card.corrections) == (trained.inputs, trained.corrections)
    assert [member.seed for member in card.members] == [7, 8]


def test_a_card_from_before_models_took_prices_is_read(trained: Trained, model_folder: Path, tmp_path: Path) -> None:
    card = json.loads((model_folder / CARD_FILE).read_text())
    del card["inputs"]["prices"]
    (tmp_path / CARD_FILE).write_text(json.dumps(card))

    assert read_card(tmp_path / CARD_FILE).inputs == trained.inputs


def rename_hash(card: dict[str, Any]) -> None:
    card["weights"] = card.pop("weights_sha256")


def remove_scaler(card: dict[str, Any]) -> None:
    del card["inputs"]["scaler"]


def add_size(card: dict[str, Any]) -> None:
    card["network"]["width"] = 3


def change_edge_attributes(card: dict[str, Any]) -> None:
    card["edge_attributes"] = ["correlation"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (rename_hash, f"{OTHER_VERSION}weights_sha256: Field required .* Export the run again"),
        (remove_scaler, f"{OTHER_VERSION}inputs.scaler: Field required"),
        (add_size, f"{OTHER_VERSION}network.width: Extra inputs"),
        (change_edge_attributes, r"has the edge attributes \('correlation',\), not"),
    ],
)
def test_a_card_of_another_version_is_refused(
    change: Callable[[dict[str, Any]], None], message: str, model_folder: Path, tmp_path: Path
) -> None:
    card = json.loads((model_folder / CARD_FILE).read_text())
    change(card)
    (tmp_path / CARD_FILE).write_text(json.dumps(card))

    with pytest.raises(InputError, match=message):
        read_card(tmp_path / CARD_FILE)


def test_a_truncated_or_missing_card_is_refused(model_folder: Path, tmp_path: Path) -> None:
    path = tmp_path / CARD_FILE
    with pytest.raises(InputError, match="is not an exported model: it has no model.json"):
        read_card(path)
    shutil.copy(model_folder / CARD_FILE, path)
    path.write_text(path.read_text()[:-20])

    with pytest.raises(InputError, match=r"model.json is not readable as JSON .*: it is truncated or was changed"):
        read_card(path)


def test_the_extra_columns_are_those_that_the_dataset_has(trained: Trained) -> None:
    without_close = pl.Schema({"date": pl.Date, "code": pl.String, "target_1d": pl.Float32, "volume": pl.Float32})

    inputs = ModelInputs.from_schema(without_close, trained.inputs.scaler, UNIVERSE, GRAPH, 0)

    assert inputs.extra_columns == ("target_1d", "volume")
    assert inputs.columns[:4] == ("date", "code", "target_1d", "volume")
    last = re.escape(str([inputs.columns[-1]]))
    with pytest.raises(InputError, match=f"The observations lack 1 columns that the model needs: {last}"):
        inputs.require_columns(inputs.columns[:-1])


def test_only_features_of_this_project_are_computed_from_prices(trained: Trained) -> None:
    core, alpha = make_params(FeatureParams), make_params(FeatureParams, set="alpha158")

    def describe(names: list[str], features: FeatureParams) -> ModelInputs:
        scales = tuple(trained.inputs.scaler.features[0].model_copy(update={"name": name}) for name in names)
        feature_hash = describe_columns(names, features.features())["hash"]
        scaler = trained.inputs.scaler.model_copy(update={"features": scales, "feature_hash": feature_hash})
        return trained.inputs.model_copy(update={"scaler": scaler})

    names = trained.inputs.scaler.names()
    assert describe(names, core).are_computed_by(core)
    assert describe(names[:5], core).are_computed_by(core)
    assert not describe(names, core).are_computed_by(alpha)
    assert not describe(["mine"], core).are_computed_by(core)
    assert not describe([*names, "mine"], core).are_computed_by(core)
    assert not trained.inputs.are_computed_by(core)  # of another definition


def test_the_price_columns_are_those_with_a_known_value(trained: Trained) -> None:
    dataset = trained.dataset.with_columns(sector=pl.lit(None, pl.String)).drop("open").lazy()

    assert find_price_columns(dataset) == ("date", "code", "high", "low", "close", "volume")


def name_feature(card: dict[str, Any], name: str) -> None:
    features, cleaning = (make_params(params).model_dump(mode="json") for params in (FeatureParams, CleaningParams))
    prices = {"columns": ["close"], "features": {**features, "extra": [name]}, "cleaning": cleaning}
    card["inputs"]["prices"] = prices | {"max_unknown_features": 0.5, "usual_stocks": 3}


def name_graph(card: dict[str, Any], name: str) -> None:
    card["inputs"]["graph"]["kind"] = name


def name_layer(card: dict[str, Any], name: str) -> None:
    card["network"] |= {"graph_layer": name, "graph_signed_heads": 0}


@pytest.mark.parametrize("change", [name_feature, name_graph, name_layer])
def test_a_card_that_names_other_code_is_refused_and_nothing_is_run(
    change: Callable[[dict[str, Any], str], None], model_folder: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(model_folder, tmp_path / "model"))
    text, card = (folder / CARD_FILE).read_text(), json.loads((folder / CARD_FILE).read_text())
    for name in ("os:system", "own_plugins.graphs:same_size"):
        change(card, name)
        (folder / CARD_FILE).write_text(json.dumps(card))
        with plugin_package(), pytest.raises(InputError, match=f"The plug-in {name} .* is needed, but neither your"):
            load_model(folder)
        assert "own_plugins" not in sys.modules
    (folder / CARD_FILE).write_text(text)
    assert load_model(folder).card.plugins == {}


@pytest.mark.parametrize("change", [name_feature, name_graph, name_layer])
def test_a_plugin_that_is_not_installed_is_named(
    change: Callable[[dict[str, Any], str], None], model_folder: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(model_folder, tmp_path / "model"))
    card = json.loads((folder / CARD_FILE).read_text())
    change(card, "own_plugin")
    (folder / CARD_FILE).write_text(json.dumps(card))

    with pytest.raises(InputError, match=r"'own_plugin' is n.* installed.*atft_kedro") as refused:
        load_model(folder)

    assert "another version" not in str(refused.value)
    assert "Export the run again" not in str(refused.value)


def test_a_model_with_another_source_of_a_plugin_warns(
    model_folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder, name = Path(shutil.copytree(model_folder, tmp_path / "model")), "own_plugins.graphs:same_size"
    card = json.loads((folder / CARD_FILE).read_text())
    name_graph(card, name)
    with plugin_package(name) as package:
        card["plugins"] = hash_plugins(name)
        (folder / CARD_FILE).write_text(json.dumps(card))
        load_model(folder)
        assert "another source" not in caplog.text
        (package / "graphs.py").write_text("CHANGED = True\n")
        source_code._read_module.cache_clear()
        load_model(folder)

    assert f"the plug-in {name} has another source than in the training of run" in caplog.text
