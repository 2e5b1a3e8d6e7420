"""Kedro's sequential runner with the cache."""

import logging
import time
from typing import Any

from kedro.framework.project import pipelines
from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline
from kedro.runner import SequentialRunner, Task
from pluggy import PluginManager

from ..datasets.run_files import TRAINED_RUN, keep_to_run
from .ledger import Stage, finish_stage, plan_stages, require_gates_passed, start_stage

_logger = logging.getLogger(__name__)


class StageSequentialRunner(SequentialRunner):
    """Runs the stages that are stale, one after the other, and says why each of them is."""

    def __init__(self, is_async: bool = False, use_cache: bool = True) -> None:
        super().__init__(is_async=is_async)
        self._use_cache = use_cache

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
        require_gates_passed(pipeline, pipelines.get("__default__", Pipeline([])), catalog)
        stages = plan_stages(pipeline, catalog)
        if not self._use_cache:
            stages = [Stage(stage.node, ("the cache is off",)) for stage in stages]
        stale = [stage for stage in stages if stage.why]
        _logger.info("%d of %d stages are fresh and are not run again", len(stages) - len(stale), len(stages))
        for stage in stale:
            _logger.info("stage %s will run: %s", stage.node.name, "; ".join(stage.why))
        chosen = pipeline.filter(node_names=[stage.node.name for stage in stale]) if stale else Pipeline([])
        result: dict[str, Any] = super().run(chosen, catalog, hook_manager, run_id, only_missing_outputs)
        return result

    def _run(
        self,
        pipeline: Pipeline,
        catalog: CatalogProtocol,
        hook_manager: PluginManager | None = None,
        run_id: str | None = None,
    ) -> None:
        for done, node in enumerate(pipeline.nodes, start=1):
            started = time.perf_counter()
            made_of = start_stage(node, catalog)
            Task(node=node, catalog=catalog, hook_manager=hook_manager, is_async=False, run_id=run_id).execute()
            if TRAINED_RUN in node.outputs:
                keep_to_run(catalog, pipeline.datasets())
            finish_stage(node, catalog, made_of)
            took = time.perf_counter() - started
            _logger.info("stage %s done in %.1f s (%d of %d)", node.name, took, done, len(pipeline.nodes))
