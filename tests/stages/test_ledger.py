"""The cache on a pipeline of three nodes: what runs again, and why."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
import pytest
from kedro.framework.project import pipelines
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Node, Pipeline
from kedro_datasets.json import JSONDataset

from atft_kedro.datasets import TableDataset
from atft_kedro.params import InputError, Params
from atft_kedro.stages.fingerprint import hash_state
from atft_kedro.stages.ledger import (
    LEDGER,
    WRITER_LOCK,
    accept_rewritten,
    finish_stage,
    lock_shared_tables,
    plan_stages,
    require_gates_passed,
    start_stage,
)
from atft_kedro.stages.runner import StageSequentialRunner

HOLD = """
import sys, time
from pathlib import Path
from atft_kedro.locks import exclusive_lock
with exclusive_lock(Path(sys.argv[1]), "taken:"):
    print("held", flush=True)
    time.sleep(60)
"""


class Times(Params):
    by: int = 2


class World:
    """A catalog on disk and a pipeline whose nodes count their calls."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.calls, self.fail = folder, [], False
        self.meanwhile: Callable[[], object] = lambda: None  # what others do while this run adds up
        pl.DataFrame({"x": [1.0, 2.0]}).write_parquet(folder / "source.parquet")
        self.pipeline = Pipeline(
            [
                Node(self.multiply, ["source", "params:times"], "product", name="multiply", tags="shared"),
                Node(self.add_up, "product", "total", name="add_up"),
                Node(self.count, "source", "rows", name="count"),
            ]
        )
        self.times = Times()

    def catalog(self) -> DataCatalog:
        table = {name: TableDataset(filepath=str(self.folder / f"{name}.parquet")) for name in ("source", "product")}
        text = {
            name: JSONDataset(filepath=str(self.folder / f"{name}.json")) for name in ("total", "rows", "seen", LEDGER)
        }
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
        total = product.collect()["x"].sum()
        self.meanwhile()
        return total

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
            "product was changed after it was written",
        ),
        (lambda w: (w.folder / "total.json").write_text("3"), ["add_up"], "total was changed after it was written"),
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


def test_a_second_writer_of_shared_tables_is_refused_and_all_others_go_on(world: World) -> None:
    (world.folder / "total.json").unlink()
    with lock_shared_tables(world.catalog(), "first"):
        assert world.run() == ["add_up"]
        world.times = Times(by=9)
        with pytest.raises(InputError, match=rf"multiply has to run.* Process {os.getpid()} on .* since 20.*: \S+"):
            world.run()

    assert world.calls == []
    assert world.run() == ["add_up", "multiply"]


def test_a_killed_writer_keeps_nobody_away(world: World) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, world.folder / WRITER_LOCK], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        world.times = Times(by=9)
        with pytest.raises(InputError, match=f"Process {holder.pid} on"):
            world.run()
        holder.kill()

    assert world.run() == ["add_up", "multiply"]


def test_the_tables_are_free_while_a_run_works_on_its_own(world: World) -> None:
    def write_beside() -> None:
        with lock_shared_tables(world.catalog(), "second"):
            world.calls.append("second writer")

    world.times, world.meanwhile = Times(by=9), write_beside

    assert world.run() == ["add_up", "multiply", "second writer"]


def test_what_another_run_makes_anew_while_a_stage_reads_it_is_not_mixed_in(world: World) -> None:
    world.times = Times(by=9)
    world.meanwhile = lambda: world.catalog()["product"].save(pl.DataFrame({"x": [7.0]}))

    with pytest.raises(InputError, match="add_up would mix the tables of two runs: .* written product"):
        world.run()
    assert "add_up" in world.why()


def test_what_another_run_has_made_anew_since_this_one_began_is_not_read(world: World) -> None:
    def meddle(rows: int) -> int:
        world.catalog()["product"].save(pl.DataFrame({"x": [7.0]}))
        return rows

    later = [Node(meddle, "rows", "seen", name="meddle"), Node(lambda seen, product: 0, ["seen", "product"], "total")]
    world.pipeline = Pipeline([*(node for node in world.pipeline.nodes if node.name != "add_up"), *later])

    with pytest.raises(InputError, match="would mix the tables of two runs: .* written product"):
        world.run()
    assert (world.folder / "total.json").read_text() == "6.0"


def test_after_a_training_what_was_made_anew_the_same_way_is_read_and_nothing_else(world: World) -> None:
    def remade() -> dict[str, str]:
        return accept_rewritten(Pipeline([]), world.pipeline, world.catalog(), {"product": "older", "total": "older"})

    assert remade() == {"product": hash_state(world.catalog()["product"])}
    world.times = Times(by=3)
    assert remade() == {}


def test_stages_that_finish_at_the_same_time_are_all_remembered(world: World) -> None:
    nodes = [Node(world.count, "source", "rows", name=f"count_{number}") for number in range(24)]

    def work(node: Node) -> None:
        catalog = world.catalog()
        finish_stage(node, catalog, start_stage(node, catalog, {}, {}), {}, {})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, nodes))

    assert {node.name for node in nodes} <= world.catalog()[LEDGER].load().keys()


def test_every_starred_input_is_a_cause(world: World) -> None:
    def join(first: int, *others: float) -> list[float]:
        return [first, *others]

    joined = Pipeline([Node(join, ["rows", "total", "product_total"], "joined", name="join")])
    catalog = world.catalog()
    for name in ("product_total", "joined"):
        catalog[name] = JSONDataset(filepath=str(world.folder / f"{name}.json"))
    catalog["product_total"].save(1)
    StageSequentialRunner().run(joined, catalog)
    catalog["product_total"].save(22)

    assert plan_stages(joined, catalog)[0].why == ("product_total changed",)


def test_a_project_that_was_moved_or_copied_with_its_times_is_fresh(
    world: World, tmp_path_factory: pytest.TempPathFactory
) -> None:
    place = tmp_path_factory.mktemp("elsewhere")
    shutil.copytree(world.folder, place / "without times", copy_function=shutil.copyfile)
    shutil.copytree(world.folder, place / "copied")

    world.folder = place / "copied"
    assert world.why() == {}
    world.folder = world.folder.rename(place / "moved")
    assert world.why() == {}
    world.folder = place / "without times"
    assert world.why()["multiply"] == ("source changed", "product was changed after it was written")


class InMemory(World):
    """The world with its product in memory: ``multiply`` leaves nothing on disk."""

    def catalog(self) -> DataCatalog:
        catalog = super().catalog()
        catalog["product"] = MemoryDataset(copy_mode="assign")
        return catalog


@pytest.fixture
def in_memory(tmp_path: Path) -> InMemory:
    world = InMemory(tmp_path)
    assert world.run() == ["add_up", "count", "multiply"]
    return world


def test_a_node_with_an_in_memory_result_runs_only_when_a_stage_reads_it(in_memory: InMemory) -> None:
    assert in_memory.why() == {}
    assert in_memory.run() == []
    (in_memory.folder / "rows.json").unlink()
    assert in_memory.run() == ["count"]
    (in_memory.folder / "total.json").unlink()
    assert in_memory.run() == ["add_up", "multiply"]


def test_the_causes_of_an_in_memory_input_are_those_of_its_source(in_memory: InMemory) -> None:
    in_memory.times = Times(by=3)

    assert in_memory.why() == {"add_up": ("params:times changed",)}
    assert in_memory.run() == ["add_up", "multiply"]
    assert in_memory.catalog()["total"].load() == 9
    touch_source(in_memory)
    assert in_memory.why() == {"add_up": ("source changed",), "count": ("source changed",)}


def test_a_stage_that_is_run_alone_gets_its_in_memory_input(
    in_memory: InMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(pipelines, "__default__", in_memory.pipeline)
    in_memory.pipeline = in_memory.pipeline.only_nodes("add_up")
    in_memory.times = Times(by=4)

    assert in_memory.run() == ["add_up", "multiply"]
    assert in_memory.catalog()["total"].load() == 12
    assert in_memory.run() == []


def test_in_memory_data_is_computed_once_and_released_after_its_last_reader(in_memory: InMemory) -> None:
    again = Node(lambda product: product.collect().height, "product", "height", name="measure")
    in_memory.pipeline = in_memory.pipeline.only_nodes("multiply", "add_up") + Pipeline([again])
    catalog = in_memory.catalog()
    catalog["height"] = JSONDataset(filepath=str(in_memory.folder / "height.json"))
    in_memory.calls = []
    StageSequentialRunner(use_cache=False).run(in_memory.pipeline, catalog)

    assert in_memory.calls.count("multiply") == 1
    assert not catalog["product"].exists()
