"""Files of a run lie in that run's folder, whatever other runs begin or end meanwhile."""

import copy
from functools import cache
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import pytest
from kedro.io import DataCatalog, DatasetError, MemoryDataset
from kedro.pipeline import Node, Pipeline

from atft_kedro.configuration import ProjectConfigLoader
from atft_kedro.datasets.trained import TRAINED_RUN
from atft_kedro.pipeline_registry import register_pipelines
from atft_kedro.settings import CONFIG_LOADER_ARGS
from atft_kedro.stages.ledger import SHARED
from atft_kedro.stages.runner import StageSequentialRunner
from atft_kedro.training.runs import Runs, TrainedRun

CONF = Path(__file__).parents[2] / "conf"


@cache
def read_entries(root: Path) -> dict[str, Any]:
    return dict(
        ProjectConfigLoader(str(CONF), runtime_params={"data_root": str(root)}, **CONFIG_LOADER_ARGS)["catalog"]
    )


def open_catalog(root: Path) -> DataCatalog:
    return DataCatalog.from_config(copy.deepcopy(read_entries(root)))


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    """Two runs; the second has begun and is ``latest``, the first is the one that has been trained."""
    home = Runs(tmp_path / "06_models" / "runs", commit="", is_dirty=False)
    folders = [home.create({"seed": seed}) for seed in (1, 2)]
    open_catalog(tmp_path)[TRAINED_RUN].save(TrainedRun(run=folders[0].name, members=()))
    return folders


def test_every_file_of_a_run_is_written_under_its_own_name(runs: list[Path], tmp_path: Path) -> None:
    catalog = open_catalog(tmp_path)
    catalog["summary"].save("the first run's score")
    catalog["learning_plot"].save(go.Figure())

    described = {name: str(catalog[name]._describe().get("filepath")) for name in catalog.keys()}  # noqa: SIM118
    inside = {name: path for name, path in described.items() if "/06_models/runs/" in path}
    assert (runs[0] / "summary.md").read_text() == "the first run's score"
    assert {file.name for file in runs[1].iterdir()} == {"manifest.json"}
    assert {name for name, path in inside.items() if not path.startswith(f"{runs[0]}/")} == set()
    assert {"metrics", "forecasts", "report", "model_inputs", "exported_model", "registered_model"} <= inside.keys()
    assert catalog["learning_plot"].preview()["data"] == []


def test_a_process_keeps_to_the_run_that_it_trained_while_others_end(runs: list[Path], tmp_path: Path) -> None:
    def fit() -> TrainedRun:
        return TrainedRun(run=runs[0].name, members=())

    def score(trained: TrainedRun) -> str:
        open_catalog(tmp_path)[TRAINED_RUN].save(TrainedRun(run=runs[1].name, members=()))
        return trained.run

    def report(trained: TrainedRun, summary: str) -> str:
        return f"{trained.run} {summary}"

    pipeline = Pipeline(
        [
            Node(fit, None, TRAINED_RUN, name="fit"),
            Node(score, TRAINED_RUN, "summary", name="score"),
            Node(report, [TRAINED_RUN, "summary"], "report", name="report"),
        ]
    )
    StageSequentialRunner().run(pipeline, open_catalog(tmp_path))

    assert (runs[0] / "report.html").read_text() == f"{runs[0].name} {runs[0].name}"
    assert {file.name for file in runs[1].iterdir()} == {"manifest.json"}
    assert open_catalog(tmp_path)[TRAINED_RUN].load().run == runs[1].name
    assert not open_catalog(tmp_path)["report"].exists()  # of the run that was trained last there is none


@pytest.mark.parametrize("text", ['{"run": "a', '{"run": "a", "members": [{"seed": 7, "best_rank_ic": 0.1}]}'])
def test_an_unreadable_trained_run_stops_no_other_stage_and_is_replaced(
    runs: list[Path], tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    (tmp_path / "06_models" / "trained_run.json").write_text(text)
    fit = Node(lambda: TrainedRun(run=runs[0].name, members=()), None, TRAINED_RUN, name="fit")
    report = Node(lambda trained: trained.run, TRAINED_RUN, "report", name="report")

    with pytest.raises(DatasetError, match="is not a valid TrainedRun"):
        open_catalog(tmp_path)[TRAINED_RUN].load()
    StageSequentialRunner().run(Pipeline([fit, report]), open_catalog(tmp_path))

    assert (runs[0] / "report.html").read_text() == runs[0].name
    assert "the next training replaces it" in caplog.text


def test_what_writes_into_a_runs_folder_comes_after_its_training(tmp_path: Path) -> None:
    catalog, whole = open_catalog(tmp_path), register_pipelines()["__default__"]
    inside = {name for name in whole.datasets() if name in catalog and "<run>" in str(catalog[name]._describe())}

    after = whole.from_inputs(TRAINED_RUN).all_outputs()
    assert len(inside) > 20
    assert inside <= after


def test_what_all_runs_share_is_made_by_stages_that_hold_the_lock_and_before_all_others(tmp_path: Path) -> None:
    catalog, registered = open_catalog(tmp_path), register_pipelines()
    others = [node for node in registered["__default__"].nodes if SHARED not in node.tags]
    written = {name for node in others for name in node.outputs if not isinstance(catalog[name], MemoryDataset)}

    assert {name for name in written if "<run>" not in str(catalog[name]._describe())} == {TRAINED_RUN}
    for pipeline in registered.values():
        later = {name for node in pipeline.nodes if SHARED not in node.tags for name in node.outputs}
        assert not pipeline.only_nodes_with_tags(SHARED).inputs() & later
