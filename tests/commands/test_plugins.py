"""Plug-ins used from the configuration of a project folder, and refused by ``kedro atft check-plugins``."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from factories.plugins import PACKAGE
from factories.project import SMALL, copy_project, kedro

pytestmark = pytest.mark.long

PARAMETERS = {
    "features": {"extra": ["own_plugins.features:FEATURES"]},
    "training": {"losses": {"extra": {"cubic_error": "own_plugins.losses:cubic"}}, "loss": "mse:1 cubic_error:0.1"},
    "baselines": {"names": ["zero", "own_plugins.baselines:overnight"]},
    "graph": {"kind": "own_plugins.graphs:same_size"},
}
WRONG = {
    "features": {"extra": ["own_plugins.wrong:LOOKS_AHEAD", "own_plugins.wrong:LEVEL"]},
    "training": {"losses": {"extra": {"nan": "own_plugins.wrong:nan_gradient"}}},
}


@pytest.fixture
def own_project(tmp_path: Path) -> Path:
    """A project folder with the package of plug-ins in its `src/`."""
    project = copy_project(tmp_path / "atft")
    shutil.copytree(PACKAGE / "src", project / "src", dirs_exist_ok=True)
    write_parameters(project, PARAMETERS)
    return project


def write_parameters(project: Path, parameters: object) -> None:
    (project / "conf" / "local" / "parameters.yml").write_text(yaml.safe_dump(parameters))


def test_every_kind_is_used_from_the_configuration_of_a_project(own_project: Path) -> None:
    assert kedro(own_project, "atft", "check-plugins").count(" ok ") == 4
    kedro(own_project, "run", "--params", SMALL)

    run = own_project / "data" / "06_models" / "runs" / "latest"
    manifest, (card,) = json.loads((run / "manifest.json").read_text()), run.glob("*/model.json")
    plugins = json.loads(card.read_text())["plugins"]
    assert list(plugins) == [
        f"own_plugins.{name}" for name in ("features:FEATURES", "graphs:same_size", "losses:cubic")
    ]
    assert json.loads(manifest["identity"]["params"])["plugins"]["own_plugins.losses:cubic"]
    assert "overnight" in json.loads((run / "metrics.json").read_text())["baselines"]
    assert "cubic_error" in (run / "metrics.jsonl").read_text()

    with (own_project / "src" / "own_plugins" / "losses.py").open("a") as file:
        file.write("CHANGED = True\n")
    stages = kedro(own_project, "atft", "stages", "--params", SMALL)
    assert "data.build_ml_dataset │ fresh" in stages
    assert "fit.fit_network │ stale │ params:training changed" in stages
    refused = kedro(own_project, "run", "--params", f"{SMALL},training.resume=latest", fails=True)
    assert "was trained with other parameters: plugins.own_plugins.losses:cubic = " in refused

    write_parameters(own_project, {})
    refused = kedro(own_project, "run", "--pipelines", "predict", "--params", SMALL, fails=True)
    assert "own_plugins.features:FEATURES (features) is needed, but neither your configuration nor" in refused


def test_wrong_plugins_are_refused_by_name(own_project: Path) -> None:
    write_parameters(own_project, WRONG)

    output = kedro(own_project, "atft", "check-plugins", fails=True)

    assert "next_rise uses later prices" in output
    assert "log_close depends on the price level" in output
    assert "The loss nan cannot be trained: its gradient is not finite with equal forecasts" in output
    assert "3 plug-in(s) cannot be used: own_plugins.wrong:LOOKS_AHEAD, own_plugins.wrong:LEVEL, " in output
    guarded = kedro(own_project, "run", "--pipelines", "data,guard", "--params", SMALL, fails=True)
    assert "extra_features: plugged-in features that use later prices or depend on the price level: 2" in guarded
