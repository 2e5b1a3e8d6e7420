"""From retraining to a champion that has learned from all days, through the command line."""

import json
from pathlib import Path
from typing import Any

import pytest

from factories.project import SMALL, kedro

PARAMS = SMALL.replace("market.days=300", "market.days=420")


@pytest.mark.long
def test_a_run_that_passes_the_gate_is_fitted_on_all_days_and_becomes_the_champion(project: Path) -> None:
    models = project / "data" / "06_models"

    def read(*path: str) -> Any:
        return json.loads(models.joinpath(*path).read_text())

    def run(pipeline: str, params: str = "", fails: bool = False) -> str:
        return kedro(
            project, "run", "--env", "retrain", "--pipelines", pipeline, "--params", PARAMS + params, fails=fails
        )

    run("retrain")
    first = read("champion.json")["champion"]
    run("refit")
    refit = read("champion.json")["champion"]
    assert read("runs", refit, "manifest.json")["training"]["refit_of"] == first
    assert read("runs", refit, "manifest.json")["commit"] == read("runs", first, "manifest.json")["commit"]
    assert "rung 1 epoch, on validation days" in kedro(project, "atft", "next", "--env", "retrain", "--params", PARAMS)
    assert f"was compared with {first}, but the champion is now {refit}" in run("refit", fails=True)

    challenger = ",training.seed=8,training.init_from=champion,champion.min_rank_ic=-1,champion.min_t="
    output = run("retrain", f"{challenger}99")
    assert "does not pass the gate" in output
    assert f"The champion stays {refit}" in run("refit", fails=True)
    run("retrain", f"{challenger}-99")  # only the gate runs again
    run("refit")

    record = read("champion.json")
    second = record["history"][-1]["verdict"]["challenger"]
    manifests = {name: read("runs", name, "manifest.json") for name in (first, second, record["champion"])}
    assert manifests[second]["training"]["init_from"] == first  # a refit has learned from the gate days
    assert manifests[record["champion"]]["training"]["refit_of"] == second
    assert record["history"][-1]["verdict"]["first"] > manifests[second]["learned_until"]
    assert manifests[record["champion"]]["learned_until"] > record["history"][-1]["verdict"]["first"]
    kedro(project, "run", "--env", "retrain", "--pipelines", "predict", "--params", PARAMS)
    assert json.loads((project / "data/07_model_output/predictions.json").read_text())["run"] == record["champion"]
