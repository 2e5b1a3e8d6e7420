"""Kedro's sequential runner with the cache."""

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

from ..datasets.trained import TRAINED_RUN, keep_to_run
from .fingerprint import fingerprint
from .in_memory import Sources, add_sources, find_sources, list_sources
from .ledger import (
    HOLDS_INPUTS,
    SHARED,
    Stage,
    accept_rewritten,
    finish_stage,
    hash_kept_outputs,
    lock_shared_tables,
    plan_stages,
    require_gates_passed,
    start_stage,
)

_logger = logging.getLogger(__name__)


class StageSequentialRunner(SequentialRunner):
    """Run the stale stages one after the other and log the reason for each."""

    def __init__(self, is_async: bool = False, use_cache: bool = True) -> None:
        super().__init__(is_async=is_async)
        self._use_cache = use_cache
        self._lock = ExitStack()  # holds the lock on the shared tables
        self._known: dict[str, str] = {}  # hashes of the datasets that this run has written or found
        self._in_memory: dict[str, dict[str, str]] = {}  # node -> fingerprint of the in-memory data that it computed

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
        """Run the stale stages of ``pipeline``."""
        keep_to_run(catalog, pipeline.datasets())
        with ExitStack() as self._lock:
            stages = self._plan(pipeline, catalog)
            if first := next((stage for stage in stages if stage.why and SHARED in stage.node.tags), None):
                why = f"{first.node.name} has to run: {first.why[0]}"
                self._lock.enter_context(lock_shared_tables(catalog, why))
                stages = self._plan(pipeline, catalog)  # another process may have finished some before the lock
            stale = [stage for stage in stages if stage.why]
            _logger.info("%d of %d stages are fresh and are not run again", len(stages) - len(stale), len(stages))
            for stage in stale:
                _logger.info("stage %s will run: %s", stage.node.name, "; ".join(stage.why))
            self._known = hash_kept_outputs(pipeline, {stage.node.name for stage in stale}, catalog)
            chosen = add_sources(Pipeline([stage.node for stage in stale]), find_sources(pipeline, catalog))
            result: dict[str, Any] = super().run(chosen, catalog, hook_manager, run_id, only_missing_outputs)
        return result

    def _plan(self, pipeline: Pipeline, catalog: CatalogProtocol) -> list[Stage]:
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
        sources = find_sources(pipeline, catalog)
        stages = [node for node in pipeline.nodes if node not in sources.values()]
        nodes = sorted(stages, key=lambda node: SHARED not in node.tags)
        task = partial(Task, catalog=catalog, hook_manager=hook_manager, is_async=False, run_id=run_id)
        for count, node in enumerate(nodes, start=1):
            if SHARED not in node.tags:
                self._lock.close()
            started = time.perf_counter()
            inputs = start_stage(node, catalog, self._known, sources)
            for source in self._list_outdated_sources(node, catalog, sources):
                task(source).execute()
            task(node).execute()
            if TRAINED_RUN in node.outputs:
                for name in keep_to_run(catalog, pipeline.datasets()):
                    self._known.pop(name, None)
            self._known |= finish_stage(node, catalog, inputs, self._known, sources)
            self._release(nodes[count:], catalog, sources)
            if HOLDS_INPUTS in node.tags:  # it may have run for hours
                rest = Pipeline(nodes[count:])
                self._known |= accept_rewritten(rest, _get_default_pipeline(), catalog, self._known)
            seconds = time.perf_counter() - started
            _logger.info("stage %s done in %.1f s (%d of %d)", node.name, seconds, count, len(nodes))

    def _list_outdated_sources(self, node: Node, catalog: CatalogProtocol, sources: Sources) -> list[Node]:
        """List the sources whose in-memory data is missing or was computed from other inputs."""
        outdated = []
        for source in list_sources(node, sources):
            inputs = fingerprint(source, catalog, sources)
            if self._in_memory.get(source.name) != inputs:
                self._in_memory[source.name] = inputs
                outdated.append(source)
        return outdated

    def _release(self, nodes: list[Node], catalog: CatalogProtocol, sources: Sources) -> None:
        """Release the in-memory datasets that none of the remaining nodes reads."""
        needed = {source.name for node in nodes for source in list_sources(node, sources)}
        for name, source in sources.items():
            if source.name in self._in_memory and source.name not in needed:
                catalog.release(name)
        self._in_memory = {name: inputs for name, inputs in self._in_memory.items() if name in needed}


def _get_default_pipeline() -> Pipeline:
    """Return the default pipeline; an empty one if the project has none."""
    default: Pipeline = pipelines.get("__default__", Pipeline([]))
    return default
