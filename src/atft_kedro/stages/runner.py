"""Kedro's sequential runner that skips stages whose inputs, parameters, code and outputs have not changed."""

import logging
import time
from contextlib import ExitStack
from functools import partial
from typing import Any

from kedro.framework.project import pipelines
from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node
from kedro.runner import SequentialRunner, Task
from pluggy import PluginManager

from ..datasets.trained import TRAINED_RUN, bind_to_trained_run
from .fingerprint import fingerprint
from .in_memory import InMemoryNodes, add_required_nodes, find_in_memory_nodes, list_required_nodes
from .ledger import (
    HOLDS_INPUTS,
    SHARED,
    Stage,
    accept_rewritten_tables,
    finish_stage,
    hash_unchanged_outputs,
    lock_shared_tables,
    plan_stages,
    require_gates_passed,
    start_stage,
)

_logger = logging.getLogger(__name__)


class StageSequentialRunner(SequentialRunner):
    """Run the stale stages one after the other, and log the reasons for each."""

    def __init__(self, is_async: bool = False, use_cache: bool = True) -> None:
        super().__init__(is_async=is_async)
        self._use_cache = use_cache
        self._held_lock = ExitStack()  # holds the lock on the shared tables
        self._known: dict[str, str] = {}  # hashes of datasets: as this run wrote them, or as they were at its start
        self._computed_from: dict[str, dict[str, str]] = {}  # node -> inputs of its in-memory output, as a fingerprint

    def __repr__(self) -> str:
        # Kedro-Viz records durations only if this text contains the name of Kedro's runner.
        return "<StageSequentialRunner, a kedro.runner.sequential_runner.SequentialRunner object>"

    def run(
        self,
        pipeline: Pipeline,
        catalog: CatalogProtocol,
        hook_manager: PluginManager | None = None,
        run_id: str | None = None,
        only_missing_outputs: bool = False,
    ) -> dict[str, Any]:
        """Run the stale stages of ``pipeline``, or all without the cache.

        A lock is held while stages write tables that all runs share.
        """
        bind_to_trained_run(catalog, pipeline.datasets())
        with ExitStack() as self._held_lock:
            stages = self._plan(pipeline, catalog)
            if first := next((stage for stage in stages if stage.reasons and SHARED in stage.node.tags), None):
                reason = f"{first.node.name} has to run: {first.reasons[0]}"
                self._held_lock.enter_context(lock_shared_tables(catalog, reason))
                stages = self._plan(pipeline, catalog)  # another run may have finished stages before the lock was free
            stale = [stage for stage in stages if stage.reasons]
            _logger.info("%d of %d stages are fresh and are not run again", len(stages) - len(stale), len(stages))
            for stage in stale:
                _logger.info("stage %s will run: %s", stage.node.name, "; ".join(stage.reasons))
            self._known = hash_unchanged_outputs(pipeline, {stage.node.name for stage in stale}, catalog)
            in_memory = find_in_memory_nodes(pipeline, catalog)
            to_run = add_required_nodes(Pipeline([stage.node for stage in stale]), in_memory)
            result: dict[str, Any] = super().run(to_run, catalog, hook_manager, run_id, only_missing_outputs)
        return result

    def _plan(self, pipeline: Pipeline, catalog: CatalogProtocol) -> list[Stage]:
        """Plan the stages; refuse to read data that has not passed the guard."""
        require_gates_passed(pipeline, _get_default_pipeline(), catalog)
        stages = plan_stages(pipeline, catalog)
        return stages if self._use_cache else [Stage(stage.node, ("the cache is off",)) for stage in stages]

    def _run(
        self,
        pipeline: Pipeline,
        catalog: CatalogProtocol,
        hook_manager: PluginManager | None = None,
        run_id: str | None = None,
    ) -> None:
        """Run the stages that write shared tables first, under the lock, and then the others without it."""
        in_memory = find_in_memory_nodes(pipeline, catalog)
        stage_nodes = [node for node in pipeline.nodes if node not in in_memory.values()]
        nodes = sorted(stage_nodes, key=lambda node: SHARED not in node.tags)
        task = partial(Task, catalog=catalog, hook_manager=hook_manager, is_async=False, run_id=run_id)
        for count, node in enumerate(nodes, start=1):
            if SHARED not in node.tags:
                self._held_lock.close()  # the shared tables are complete: other runs may write them
            started = time.perf_counter()
            inputs = start_stage(node, catalog, self._known, in_memory)
            for required in list_required_nodes(node, in_memory):
                required_inputs = fingerprint(required, catalog, in_memory)
                if self._computed_from.get(required.name) != required_inputs:
                    task(required).execute()
                    self._computed_from[required.name] = required_inputs
            task(node).execute()
            if TRAINED_RUN in node.outputs:
                for name in bind_to_trained_run(catalog, pipeline.datasets()):
                    self._known.pop(name, None)
            self._known |= finish_stage(node, catalog, inputs, self._known, in_memory)
            self._release(nodes[count:], catalog, in_memory)
            if HOLDS_INPUTS in node.tags:  # another run may have written shared tables again in these hours
                rest = Pipeline(nodes[count:])
                self._known |= accept_rewritten_tables(rest, _get_default_pipeline(), catalog, self._known)
            seconds = time.perf_counter() - started
            _logger.info("stage %s done in %.1f s (%d of %d)", node.name, seconds, count, len(nodes))

    def _release(self, remaining: list[Node], catalog: CatalogProtocol, in_memory: InMemoryNodes) -> None:
        """Release the in-memory datasets that none of the remaining nodes reads."""
        needed = {required.name for node in remaining for required in list_required_nodes(node, in_memory)}
        for name, node in in_memory.items():
            if node.name in self._computed_from and node.name not in needed:
                catalog.release(name)
        self._computed_from = {name: inputs for name, inputs in self._computed_from.items() if name in needed}


def _get_default_pipeline() -> Pipeline:
    """Return the default pipeline; an empty one if the project has none."""
    default: Pipeline = pipelines.get("__default__", Pipeline([]))
    return default
