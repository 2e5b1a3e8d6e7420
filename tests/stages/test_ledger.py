"""The cache on a pipeline of three nodes: what runs again, and why."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import polars as pl
import pytest
from kedro.pipeline import Node, Pipeline

from atft_kedro.params import InputError
from atft_kedro.stages.fingerprint import hash_state
from atft_kedro.stages.ledger import (
    LEDGER,
    accept_rewritten_tables,
    finish_stage,
    plan_stages,
    require_gates_passed,
    start_stage,
)
from atft_kedro.stages.runner import StageSequentialRunner
from factories.stages import TimesParams, TinyProject, change_source


@pytest.mark.parametrize(
    ("change", "runs", "reason"),
    [
        (lambda w: setattr(w, "times", TimesParams(by=3)), ["add_up", "multiply"], "params:times changed"),
        (change_source, ["add_up", "count", "multiply"], "source changed"),
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
def test_a_change_reruns_only_the_stages_that_depend_on_it(
    tiny: TinyProject, change: Callable[[TinyProject], object], runs: list[str], reason: str
) -> None:
    change(tiny)

    stale = tiny.stale_reasons()
    assert sorted(stale) == runs
    assert any(reason in reasons for reasons in stale.values())
    assert tiny.run() == runs
    assert tiny.run() == []


def test_an_input_that_changes_during_the_run_makes_the_stage_stale(tiny: TinyProject) -> None:
    tiny.times = TimesParams(by=5)
    count = tiny.count

    def count_and_replace(source: pl.LazyFrame) -> int:
        found = count(source)
        change_source(tiny)
        return found

    changing = Pipeline([Node(count_and_replace, "source", "rows", name="recount")])
    StageSequentialRunner().run(changing, tiny.catalog())

    assert plan_stages(changing, tiny.catalog())[0].reasons == ("source changed",)


@pytest.mark.parametrize("text", ["", "[]", '{"count": {"code": "old"}}'])
def test_an_unreadable_ledger_counts_as_empty(tiny: TinyProject, text: str) -> None:
    (tiny.folder / f"{LEDGER}.json").write_text(text)

    assert tiny.run() == ["add_up", "count", "multiply"]


def test_a_pipeline_behind_a_gate_is_refused_until_the_gate_has_passed(tiny: TinyProject) -> None:
    whole = Pipeline([node.tag(["gate", "guard"]) if node.name == "count" else node for node in tiny.pipeline.nodes])
    later = Pipeline([Node(lambda rows: rows, "rows", "admitted", name="admit")])
    tiny.run()

    require_gates_passed(later, whole, tiny.catalog())
    change_source(tiny)
    with pytest.raises(InputError, match=r"\(count: source changed\). Run: kedro run --pipelines guard"):
        require_gates_passed(later, whole, tiny.catalog())
    require_gates_passed(whole, whole, tiny.catalog())


def test_after_a_training_only_tables_rewritten_from_the_same_inputs_are_read(tiny: TinyProject) -> None:
    def rewritten() -> dict[str, str]:
        return accept_rewritten_tables(
            Pipeline([]), tiny.pipeline, tiny.catalog(), {"product": "older", "total": "older"}
        )

    assert rewritten() == {"product": hash_state(tiny.catalog()["product"])}
    tiny.times = TimesParams(by=3)
    assert rewritten() == {}


def test_stages_that_finish_at_the_same_time_are_all_recorded(tiny: TinyProject) -> None:
    nodes = [Node(tiny.count, "source", "rows", name=f"count_{number}") for number in range(24)]

    def work(node: Node) -> None:
        catalog = tiny.catalog()
        finish_stage(node, catalog, start_stage(node, catalog, {}, {}), {}, {})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, nodes))

    assert {node.name for node in nodes} <= tiny.catalog()[LEDGER].load().keys()
