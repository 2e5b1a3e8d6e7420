"""Kedro's sequential runner with the cache."""

import logging
import time
from contextlib import ExitStack
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
    HOLDS,
    SHARED,
    Stage,
    accept_remade,
    find_states,
    finish_stage,
    hold_shared,
    plan_stages,
    require_gates_passed,
    start_stage,
)

_logger = logging.getLogger(__name__)


class StageSequentialRunner(SequentialRunner):
    """Runs the stages that are stale, one after the other, and says why each of them is."""

    def __init__(self, is_async: bool = False, use_cache: bool = True) -> None:
        super().__init__(is_async=is_async)
        self._use_cache = use_cache
        self._writing = ExitStack()  # holds the lock on what all runs share
        self._known: dict[str, str] = {}  # what this run has made or found, and its state
        self._loaded: dict[str, dict[str, str]] = {}  # what each in-memory dataset was computed from

    def __repr__(self) -> str:
        # Kedro-Viz records a run's durations only for a runner whose text holds this.
        return "<StageSequentialRunner, a kedro.runner.sequential_runner.SequentialRunner object>"

    def run(
        self,
        pipeline: Pipeline,
        catalog: CatalogProtocol,
        hook_manager: PluginManager | None = None,
        run_id: str | None = None,
        only_missing_outputs: bool = False,
    ) -> dict[str, Any]:
        """Run what is stale in ``pipeline``."""
        keep_to_run(catalog, pipeline.datasets())
        with ExitStack() as self._writing:
            stages = self._plan(pipeline, catalog)
            if first := next((stage for stage in stages if stage.why and SHARED in stage.node.tags), None):
                why = f"{first.node.name} has to run: {first.why[0]}"
                self._writing.enter_context(hold_shared(catalog, why))
                stages = self._plan(pipeline, catalog)  # another process may have finished some until now
            stale = [stage for stage in stages if stage.why]
            _logger.info("%d of %d stages are fresh and are not run again", len(stages) - len(stale), len(stages))
            for stage in stale:
                _logger.info("stage %s will run: %s", stage.node.name, "; ".join(stage.why))
            self._known = find_states(pipeline, {stage.node.name for stage in stale}, catalog)
            chosen = add_sources(Pipeline([stage.node for stage in stale]), find_sources(pipeline, catalog))
            result: dict[str, Any] = super().run(chosen, catalog, hook_manager, run_id, only_missing_outputs)
        return result

    def _plan(self, pipeline: Pipeline, catalog: CatalogProtocol) -> list[Stage]:
        require_gates_passed(pipeline, _whole(), catalog)
        stages = plan_stages(pipeline, catalog)
        return stages if self._use_cache else [Stage(stage.node, ("the cache is off",)) for stage in stages]

    def _run(
        self,
        pipeline: Pipeline,
        catalog: CatalogProtocol,
        hook_manager: PluginManager | None = None,
        run_id: str | None = None,
    ) -> None:
        """Run what writes shared tables first, as their only writer, and then the rest without keeping others away."""
        sources = find_sources(pipeline, catalog)
        stages = [node for node in pipeline.nodes if node not in sources.values()]
        nodes = sorted(stages, key=lambda node: SHARED not in node.tags)
        for done, node in enumerate(nodes, start=1):
            if SHARED not in node.tags:
                self._writing.close()
            started = time.perf_counter()
            made_of = start_stage(node, catalog, self._known, sources)
            for source in list_sources(node, sources):
                causes = fingerprint(source, catalog, sources)
                if self._loaded.get(source.name) != causes:
                    Task(
                        node=source, catalog=catalog, hook_manager=hook_manager, is_async=False, run_id=run_id
                    ).execute()
                    self._loaded[source.name] = causes
            Task(node=node, catalog=catalog, hook_manager=hook_manager, is_async=False, run_id=run_id).execute()
            if TRAINED_RUN in node.outputs:
                for name in keep_to_run(catalog, pipeline.datasets()):
                    self._known.pop(name, None)
            self._known |= finish_stage(node, catalog, made_of, self._known, sources)
            self._release(nodes[done:], catalog, sources)
            if HOLDS in node.tags:  # it may have worked for hours
                rest = Pipeline(nodes[done:])
                self._known |= accept_remade(rest, _whole(), catalog, self._known)
            took = time.perf_counter() - started
            _logger.info("stage %s done in %.1f s (%d of %d)", node.name, took, done, len(nodes))

    def _release(self, nodes: list[Node], catalog: CatalogProtocol, sources: Sources) -> None:
        """Release the in-memory datasets that no node reads any more."""
        needed = {source.name for node in nodes for source in list_sources(node, sources)}
        for name, source in sources.items():
            if source.name in self._loaded and source.name not in needed:
                catalog.release(name)
        self._loaded = {name: causes for name, causes in self._loaded.items() if name in needed}


def _whole() -> Pipeline:
    """Return the chain of all stages, where the project has registered one."""
    chain: Pipeline = pipelines.get("__default__", Pipeline([]))
    return chain
