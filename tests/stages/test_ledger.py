"""The cache on a pipeline of three nodes: what runs again, and why."""

import os
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from kedro.io import DataCatalog
from kedro.pipeline import Node, Pipeline
from kedro_datasets.json import JSONDataset

from atft_kedro.datasets import TableDataset
from atft_kedro.params import InputError, Params
from atft_kedro.stages.ledger import LEDGER, plan_stages, require_gates_passed
from atft_kedro.stages.runner import StageSequentialRunner


class Times(Params):
    by: int = 2


class World:
    """A catalog on disk and a pipeline whose nodes count their calls."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.calls, self.fail = folder, [], False
        pl.DataFrame({"x": [1.0, 2.0]}).write_parquet(folder / "source.parquet")
        self.pipeline = Pipeline(
            [
                Node(self.multiply, ["source", "params:times"], "product", name="multiply"),
                Node(self.add_up, "product", "total", name="add_up"),
                Node(self.count, "source", "rows", name="count"),
            ]
        )
        self.times = Times()

    def catalog(self) -> DataCatalog:
        table = {name: TableDataset(filepath=str(self.folder / f"{name}.parquet")) for name in ("source", "product")}
        text = {name: JSONDataset(filepath=str(self.folder / f"{name}.json")) for name in ("total", "rows", LEDGER)}
        catalog = DataCatalog(table | text)
        catalog["params:times"] = self.times
        return catalog

    def multiply(self, source: pl.LazyFrame, times: Times) -> pl.LazyFrame:
        self.calls.append("multiply")
        return source.select(pl.col("x") * times.by)

    def add_up(self, product: pl.LazyFrame) -> float:
        self.calls.append("add_up")
        if self.fail:
            raise RuntimeError("as told")
        return product.collect()["x"].sum()

    def count(self, source: pl.LazyFrame) -> int:
        self.calls.append("count")
        return source.collect().height

    def run(self) -> list[str]:
        self.calls = []
        StageSequentialRunner().run(self.pipeline, self.catalog())
        return sorted(self.calls)

    def why(self) -> dict[str, tuple[str, ...]]:
        return {stage.node.name: stage.why for stage in plan_stages(self.pipeline, self.catalog()) if stage.why}


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    assert made.run() == ["add_up", "count", "multiply"]
    return made


def touch_source(world: World) -> None:
    pl.DataFrame({"x": [1.0, 5.0]}).write_parquet(world.folder / "source.parquet")


def test_nothing_changed_nothing_runs(world: World) -> None:
    assert world.why() == {}
    assert world.run() == []


@pytest.mark.parametrize(
    ("change", "runs", "reason"),
    [
        (lambda w: setattr(w, "times", Times(by=3)), ["add_up", "multiply"], "params:times changed"),
        (touch_source, ["add_up", "count", "multiply"], "source changed"),
        (lambda w: (w.folder / "product.parquet").unlink(), ["add_up", "multiply"], "product is missing"),
        (
            lambda w: os.utime(w.folder / "product.parquet", ns=(1, 1)),
            ["add_up", "multiply"],
            "product is not as it was left",
        ),
        (lambda w: (w.folder / "total.json").write_text("3"), ["add_up"], "total is not as it was left"),
        (lambda w: (w.folder / f"{LEDGER}.json").unlink(), ["add_up", "count", "multiply"], "it never finished"),
    ],
)
def test_a_change_reruns_what_depends_on_it_and_nothing_else(
    world: World, change: Callable[[World], object], runs: list[str], reason: str
) -> None:
    change(world)

    why = world.why()
    assert sorted(why) == runs
    assert any(reason in reasons for reasons in why.values())
    assert world.run() == runs
    assert world.run() == []


def test_a_node_that_fails_and_what_follows_it_run_again(world: World) -> None:
    world.times, world.fail = Times(by=4), True
    with pytest.raises(RuntimeError, match="as told"):
        world.run()
    world.fail = False

    assert world.run() == ["add_up"]
    assert world.catalog()["total"].load() == 12


def test_what_changes_while_a_node_runs_makes_it_stale(world: World) -> None:
    world.times = Times(by=5)
    count = world.count

    def count_and_replace(source: pl.LazyFrame) -> int:
        found = count(source)
        touch_source(world)
        return found

    changing = Pipeline([Node(count_and_replace, "source", "rows", name="recount")])
    StageSequentialRunner().run(changing, world.catalog())

    assert plan_stages(changing, world.catalog())[0].why == ("source changed",)


@pytest.mark.parametrize("text", ["", "[]", '{"count": {"code": "old"}}'])
def test_a_memory_that_cannot_be_read_is_an_empty_one(world: World, text: str) -> None:
    (world.folder / f"{LEDGER}.json").write_text(text)

    assert world.run() == ["add_up", "count", "multiply"]


def test_without_the_cache_everything_runs_and_is_remembered(world: World) -> None:
    world.calls = []
    StageSequentialRunner(use_cache=False).run(world.pipeline, world.catalog())

    assert sorted(world.calls) == ["add_up", "count", "multiply"]
    assert world.run() == []


def test_output_that_lives_in_memory_is_made_again(world: World) -> None:
    kept = world.pipeline
    world.pipeline = Pipeline([Node(world.count, "source", "in_memory", name="count")])

    assert world.run() == ["count"]
    assert world.run() == ["count"]
    world.pipeline = kept


def test_a_parameter_is_the_same_whether_kedro_has_made_its_model_or_not(world: World) -> None:
    world.run()
    catalog = world.catalog()
    catalog["params:times"] = {"by": 2}

    assert [stage.why for stage in plan_stages(world.pipeline, catalog)] == [(), (), ()]


def test_what_relies_on_a_gate_is_refused_until_the_gate_has_seen_the_data(world: World) -> None:
    whole = Pipeline([node.tag(["gate", "guard"]) if node.name == "count" else node for node in world.pipeline.nodes])
    later = Pipeline([Node(lambda rows: rows, "rows", "admitted", name="admit")])
    world.run()

    require_gates_passed(later, whole, world.catalog())
    touch_source(world)
    with pytest.raises(InputError, match=r"\(count: source changed\). Run: kedro run --pipelines guard"):
        require_gates_passed(later, whole, world.catalog())
    require_gates_passed(whole, whole, world.catalog())
