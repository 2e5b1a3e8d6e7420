"""Test which stages run again, and what a run reads while others write."""

import os
import subprocess
import sys

import polars as pl
import pytest
from kedro.pipeline import Node, Pipeline

from atft_kedro.params import InputError
from atft_kedro.stages.ledger import (
    WRITER_LOCK,
    lock_shared_tables,
)
from atft_kedro.stages.runner import StageSequentialRunner
from factories.stages import TimesParams, TinyProject

HOLD_LOCK = """
import sys, time
from pathlib import Path
from atft_kedro.locks import exclusive_lock
with exclusive_lock(Path(sys.argv[1]), "taken:"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_without_a_change_nothing_runs(tiny: TinyProject) -> None:
    assert tiny.stale_reasons() == {}
    assert tiny.run() == []


def test_a_failed_node_and_those_after_it_run_again(tiny: TinyProject) -> None:
    tiny.times, tiny.fail = TimesParams(by=4), True
    with pytest.raises(RuntimeError, match="on purpose"):
        tiny.run()
    tiny.fail = False

    assert tiny.run() == ["add_up"]
    assert tiny.catalog()["total"].load() == 12


def test_without_the_cache_everything_runs_and_is_recorded(tiny: TinyProject) -> None:
    tiny.calls = []
    StageSequentialRunner(use_cache=False).run(tiny.pipeline, tiny.catalog())

    assert sorted(tiny.calls) == ["add_up", "count", "multiply"]
    assert tiny.run() == []


def test_a_stage_with_an_in_memory_output_runs_every_time(tiny: TinyProject) -> None:
    kept = tiny.pipeline
    tiny.pipeline = Pipeline([Node(tiny.count, "source", "in_memory", name="count")])

    assert tiny.run() == ["count"]
    assert tiny.run() == ["count"]
    tiny.pipeline = kept


def test_a_second_writer_of_shared_tables_is_refused_and_other_runs_continue(tiny: TinyProject) -> None:
    (tiny.folder / "total.json").unlink()
    with lock_shared_tables(tiny.catalog(), "first"):
        assert tiny.run() == ["add_up"]
        tiny.times = TimesParams(by=9)
        with pytest.raises(InputError, match=rf"multiply has to run.* Process {os.getpid()} on .* since 20.*: \S+"):
            tiny.run()

    assert tiny.calls == []
    assert tiny.run() == ["add_up", "multiply"]


def test_a_killed_writer_releases_the_lock(tiny: TinyProject) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD_LOCK, tiny.folder / WRITER_LOCK], stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        tiny.times = TimesParams(by=9)
        with pytest.raises(InputError, match=f"Process {holder.pid} on"):
            tiny.run()
        holder.kill()

    assert tiny.run() == ["add_up", "multiply"]


def test_the_lock_is_released_before_stages_that_write_no_shared_table(tiny: TinyProject) -> None:
    def write_meanwhile() -> None:
        with lock_shared_tables(tiny.catalog(), "second"):
            tiny.calls.append("second writer")

    tiny.times, tiny.meanwhile = TimesParams(by=9), write_meanwhile

    assert tiny.run() == ["add_up", "multiply", "second writer"]


def test_a_table_that_another_run_replaces_while_a_stage_reads_it_is_refused(tiny: TinyProject) -> None:
    tiny.times = TimesParams(by=9)
    tiny.meanwhile = lambda: tiny.catalog()["product"].save(pl.DataFrame({"x": [7.0]}))

    with pytest.raises(InputError, match="add_up would mix the tables of two runs: .* written product"):
        tiny.run()
    assert "add_up" in tiny.stale_reasons()


def test_a_table_that_another_run_replaced_since_the_start_is_refused(tiny: TinyProject) -> None:
    def replace_product(rows: int) -> int:
        tiny.catalog()["product"].save(pl.DataFrame({"x": [7.0]}))
        return rows

    later = [
        Node(replace_product, "rows", "seen", name="replace_product"),
        Node(lambda seen, product: 0, ["seen", "product"], "total"),
    ]
    tiny.pipeline = Pipeline([*(node for node in tiny.pipeline.nodes if node.name != "add_up"), *later])

    with pytest.raises(InputError, match="would mix the tables of two runs: .* written product"):
        tiny.run()
    assert (tiny.folder / "total.json").read_text() == "6.0"
