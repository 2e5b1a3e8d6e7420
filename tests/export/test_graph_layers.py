"""Runs with graph convolutions: trained, interrupted, resumed, exported and loaded; a card is no permission."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from atft_kedro import plugins
from atft_kedro.export.model import load_model
from atft_kedro.export.model_card import CARD_FILE
from atft_kedro.network.params import NetworkParams
from atft_kedro.params import InputError
from atft_kedro.training.engine import Trainer
from atft_kedro.training.forecasting import forecast_ensemble, load_members
from atft_kedro.training.params import TrainingParams
from atft_kedro.training.run import train_in_run
from atft_kedro.training.runs import Runs
from factories.exports import NETWORK, PHASE, Trained, cut_after
from factories.params import make_params
from factories.training import Watch

LAYERS = [f"torch_geometric.nn:{name}" for name in ("GATv2Conv", "TransformerConv", "GCNConv", "SAGEConv", "GATConv")]
TRAINING = make_params(TrainingParams, phases=[PHASE | {"epochs": 2}], days_per_block=16)


class Interrupted(Exception):
    pass


def interrupt(trainer: Trainer) -> None:
    raise Interrupted


def make_network_params(layer: str) -> NetworkParams:
    return NETWORK.model_copy(update={"graph_layer": layer, "graph_signed_heads": 0})


@pytest.mark.long
@pytest.mark.parametrize("layer", LAYERS)
def test_an_interrupted_run_resumes_and_its_model_forecasts_bit_equal(
    layer: str, trained: Trained, tmp_path: Path
) -> None:
    data, network = trained.training_data, make_network_params(layer)
    whole, resumed = (Runs(tmp_path / name, commit="abc", is_dirty=True) for name in ("whole", "resumed"))
    train_in_run(data, network, TRAINING, whole)
    steps = Watch(at=data.loader("train", NETWORK.lookback, 16).sampler.steps + 2, then=interrupt)
    with pytest.raises(Interrupted):
        train_in_run(data, network, TRAINING, resumed, callbacks=[steps])
    train_in_run(data, network, TRAINING.model_copy(update={"resume": "latest"}), resumed)

    folder = resumed.find("latest")
    members, expected = load_members(folder, data), load_members(whole.find("latest"), data)
    score = trained.score.model_copy(update={"run": folder.name})
    model = load_model(replace(trained, run=folder, members=members, score=score).export())

    forecasts = [forecast_ensemble(some, data, "test").quantiles for some in (expected, members, model.members)]
    assert forecasts[0].isfinite().any()
    assert all(other.nan_to_num(-7).equal(forecasts[0].nan_to_num(-7)) for other in forecasts[1:])
    live = model.forecast(cut_after(trained.dataset, trained.dataset["date"].max()))
    assert live["forecast"].is_finite().all()
    assert model.card.network.graph_layer == layer


def edit_card(folder: Path, target: Path, **changes: object) -> Path:
    """Copy a model, and change parameters of its network in the card; ``...`` removes one."""
    shutil.copytree(folder, target)
    card = json.loads((folder / CARD_FILE).read_text())
    network = {name: value for name, value in (card["network"] | changes).items() if value is not ...}
    (target / CARD_FILE).write_text(json.dumps(card | {"network": network}))
    return target


def test_a_card_cannot_choose_the_module_to_import(
    model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plugins, "_permitted", set())
    for number, name in enumerate(("os:system", "antigravity:fly", "torch_geometric.nn.conv:GATConv", "gatv3")):
        folder = edit_card(model_folder, tmp_path / str(number), graph_layer=name, graph_signed_heads=0)
        with pytest.raises(
            InputError, match=f"(?s){name}.*(Nothing of it was run|nor an installed plug-in|is not installed)"
        ):
            load_model(folder)


def test_a_card_without_a_graph_layer_is_read(model_folder: Path, tmp_path: Path) -> None:
    folder = edit_card(model_folder, tmp_path / "older", graph_layer=..., graph_layer_arguments=...)

    assert load_model(folder).card.network == NETWORK
