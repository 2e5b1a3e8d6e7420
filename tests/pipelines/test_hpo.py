"""A search from the command line: run, status, worker, promotion, training, and refusals."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from factories.project import SMALL, copy_project, kedro

pytestmark = pytest.mark.slow

PARAMS = f"{SMALL},hpo.study=mine,hpo.n_trials=4,hpo.epochs=2,hpo.confirm_seeds=1,hpo.prune_after=1"
SPACE = """
training:
  phases:
    - {name: one, epochs: 1, learning_rate: 4.0e-3}
    - {name: two, epochs: 1, learning_rate: 4.0e-3, modules: [fan, gat]}
hpo:
  heartbeat_seconds: 1
  ranges:
    training.learning_rate: null
    network.graph_dropout: null
  choices:
    training.learning_rate: [4.0e-3, 1.0e-3, 1.0e9]
    network.hidden_size: [16, 32]
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = copy_project(tmp_path_factory.mktemp("hpo") / "atft")
    (folder / "conf" / "local").mkdir(exist_ok=True)
    (folder / "conf" / "local" / "parameters.yml").write_text(SPACE)
    return folder


@pytest.fixture(scope="module")
def searched(project: Path) -> Path:
    kedro(project, "run", "--pipelines", "hpo", "--params", PARAMS)
    return project


def read(project: Path, name: str) -> Any:
    return json.loads((project / "data" / "06_models" / "hpo" / name).read_text())


def test_a_search_writes_its_study_figures_and_pages(searched: Path) -> None:
    study, confirmation = read(searched, "study.json"), read(searched, "confirmation.json")
    report = (searched / "data" / "08_reporting" / "search.html").read_text()

    assert [trial["number"] for trial in study["trials"]] == [0, 1, 2, 3]
    assert set(study["trials"][0]["params"]) == {"training.learning_rate", "network.hidden_size", "network.dropout"}
    assert confirmation["trial"] == study["best_number"]
    assert len(confirmation["winner_scores"]) == 1
    for word in ("Search mine", "verdict", "History", "Importance", "Parallel coordinates", "Slice", "Curves"):
        assert word in report


def test_trials_are_child_runs_of_one_mlflow_run(searched: Path) -> None:
    with sqlite3.connect(searched / "mlflow.db") as store:
        names = dict(store.execute("select run_uuid, name from runs"))
        parents = dict(store.execute("select run_uuid, value from tags where key = 'mlflow.parentRunId'"))
        params = store.execute("select run_uuid, key from params where key = 'training.learning_rate'").fetchall()
    (search_run,) = set(parents.values())

    assert {names[child] for child in parents} == {f"trial {number}" for number in range(4)} | {"current", "winner"}
    assert {child for child, _ in params} >= {child for child in parents if names[child].startswith("trial")}
    assert search_run not in parents


def test_a_search_is_shown_and_continued(searched: Path) -> None:
    output = kedro(searched, "atft", "hpo", "status", "--study", "mine")
    assert "target: 4 trials" in output
    assert "learning_rate" in output

    kedro(searched, "run", "--pipelines", "hpo", "--params", PARAMS.replace("n_trials=4", "n_trials=5"))
    assert [trial["number"] for trial in read(searched, "study.json")["trials"]] == [0, 1, 2, 3, 4]
    assert "target: 5 trials" in kedro(searched, "atft", "hpo", "worker", "--study", "mine")


def test_a_promoted_winner_is_trained_with_exactly_its_values(searched: Path) -> None:
    kedro(searched, "run", "--pipelines", "hpo", "--params", PARAMS)
    output = kedro(searched, "atft", "hpo", "promote", "best", "--study", "mine")
    assert "is now in conf/best/parameters_promoted.yml" in output
    assert "exists; --force overwrites it" in kedro(
        searched, "atft", "hpo", "promote", "best", "--study", "mine", fails=True
    )
    kedro(searched, "run", "--env", "best", "--pipelines", "fit", "--params", SMALL)

    manifest = json.loads((searched / "data" / "06_models" / "runs" / "latest" / "manifest.json").read_text())
    study = read(searched, "study.json")
    for path, value in study["trials"][study["best_number"]]["params"].items():
        block, _, name = path.partition(".")
        assert manifest[block][name] == value
    assert [phase["name"] for phase in manifest["training"]["phases"]] == ["one", "two"]
    promoted = searched / "conf" / "best" / "parameters_promoted.yml"
    promoted.write_text(promoted.read_text().replace("hidden_size: ", "hidden_size: 6"))
    output = kedro(searched, "run", "--env", "best", "--params", SMALL, fails=True)
    assert "was edited since" in output


def test_a_wrong_search_is_refused_before_any_work(project: Path) -> None:
    wrong = "hpo.n_trials=0,hpo.study=a/b,hpo.pruner=luck,hpo.storage=postgresql://me:secret@host/db"
    output = kedro(project, "run", "--pipelines", "hpo", "--params", wrong, fails=True)
    assert "hpo.n_trials = 0: Input should be greater than 0 — --params" in output
    assert "hpo.study = 'a/b'" in output
    assert "hpo.pruner = 'luck'" in output
    assert "hpo.storage: a password belongs into conf/local/parameters.yml or ~/.pgpass" in output
    assert "secret" not in output

    local = project / "conf" / "local" / "parameters.yml"
    before = local.read_text()
    local.write_text("hpo: {choices: {network.hiden_size: [8]}, ranges: {network.layers: {low: 4}}}\n")
    output = kedro(project, "run", "--pipelines", "hpo", fails=True)
    local.write_text(before)
    assert "network.hiden_size" in output
    assert "did you mean network.hidden_size? — conf/local/parameters.yml" in output
    assert "low must be less than high, not 4 and 3 — conf/local/parameters.yml" in output


def test_a_study_that_cannot_be_continued_is_refused(searched: Path) -> None:
    for params, message in {
        f"{PARAMS},training.weight_decay=1": "The study mine exists with other settings",
        f"{PARAMS},hpo.storage=postgresql://me@127.0.0.1:1/db": "postgresql://me@127.0.0.1:1/db cannot be reached",
        f"{PARAMS},training.resume=latest": "a search resumes its trials itself",
    }.items():
        output = kedro(searched, "run", "--pipelines", "hpo", "--params", params, fails=True)
        assert message in output
        assert "Traceback" not in output
    output = kedro(searched, "atft", "hpo", "status", "--study", "unknown", fails=True)
    assert "The study 'unknown' does not exist; existing studies: mine" in output
