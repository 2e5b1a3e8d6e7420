"""Test nodes with in-memory results: they run only when a stage needs them."""

from pathlib import Path

import pytest
from kedro.framework.project import pipelines
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Node, Pipeline
from kedro_datasets.json import JSONDataset

from atft_kedro.stages.runner import StageSequentialRunner
from factories.stages import TimesParams, TinyProject, change_source


class InMemoryProject(TinyProject):
    """The project with its product in memory: ``multiply`` leaves nothing on disk."""

    def catalog(self) -> DataCatalog:
        catalog = super().catalog()
        catalog["product"] = MemoryDataset(copy_mode="assign")
        return catalog


@pytest.fixture
def in_memory(tmp_path: Path) -> InMemoryProject:
    tiny = InMemoryProject(tmp_path)
    assert tiny.run() == ["add_up", "count", "multiply"]
    return tiny


def test_a_node_with_an_in_memory_result_runs_only_when_a_stage_reads_it(in_memory: InMemoryProject) -> None:
    assert in_memory.stale_reasons() == {}
    assert in_memory.run() == []
    (in_memory.folder / "rows.json").unlink()
    assert in_memory.run() == ["count"]
    (in_memory.folder / "total.json").unlink()
    assert in_memory.run() == ["add_up", "multiply"]


def test_an_in_memory_input_changes_with_the_inputs_of_its_source(in_memory: InMemoryProject) -> None:
    in_memory.times = TimesParams(by=3)

    assert in_memory.stale_reasons() == {"add_up": ("params:times changed",)}
    assert in_memory.run() == ["add_up", "multiply"]
    assert in_memory.catalog()["total"].load() == 9
    change_source(in_memory)
    assert in_memory.stale_reasons() == {"add_up": ("source changed",), "count": ("source changed",)}


def test_a_stage_that_is_run_alone_gets_its_in_memory_input(
    in_memory: InMemoryProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(pipelines, "__default__", in_memory.pipeline)
    in_memory.pipeline = in_memory.pipeline.only_nodes("add_up")
    in_memory.times = TimesParams(by=4)

    assert in_memory.run() == ["add_up", "multiply"]
    assert in_memory.catalog()["total"].load() == 12
    assert in_memory.run() == []


def test_in_memory_data_is_computed_once_and_released_after_its_last_reader(in_memory: InMemoryProject) -> None:
    again = Node(lambda product: product.collect().height, "product", "height", name="measure")
    in_memory.pipeline = in_memory.pipeline.only_nodes("multiply", "add_up") + Pipeline([again])
    catalog = in_memory.catalog()
    catalog["height"] = JSONDataset(filepath=str(in_memory.folder / "height.json"))
    in_memory.calls = []
    StageSequentialRunner(use_cache=False).run(in_memory.pipeline, catalog)

    assert in_memory.calls.count("multiply") == 1
    assert not catalog["product"].exists()
