"""What happens around a run: parameters are checked, experiments are tracked and end as what they were."""

import atexit
import logging
import signal
import sys
import threading
from types import FrameType
from typing import Any

import mlflow
from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node
from kedro_mlflow.framework.hooks.mlflow_hook import MlflowHook
from mlflow.entities import RunStatus
from mlflow.environment_variables import MLFLOW_HTTP_REQUEST_MAX_RETRIES, MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT
from pydantic import BaseModel

from .configuration import ProjectConfigLoader
from .datasets.tracker import UntilFailure

RETRIES = 2  # of a request to a tracking server; MLflow's own seven take minutes

logging.getLogger("kedro_mlflow").setLevel(logging.WARNING)  # it sets itself to INFO when it is imported


class ParameterHook:
    """Refuses wrong parameters before anything else happens."""

    @hook_impl(tryfirst=True)
    def after_context_created(self, context: KedroContext) -> None:
        """Check every block against its model."""
        loader = context.config_loader
        assert isinstance(loader, ProjectConfigLoader)
        loader.require_valid_parameters()


class TerminationHook:
    """Ends a run that is asked to by SIGTERM, and again where a library below swallowed the first exit."""

    _signal: int | None = None

    @hook_impl
    def before_pipeline_run(self) -> None:
        """Listen."""
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._end)

    @hook_impl(tryfirst=True)
    def before_node_run(self) -> None:
        """Start nothing new."""
        self._insist()

    @hook_impl(tryfirst=True)
    def after_dataset_saved(self) -> None:
        """Let no stage pass for finished whose output was being written."""
        self._insist()

    def _end(self, number: int, frame: FrameType | None) -> None:
        self._signal = number
        self._insist()

    def _insist(self) -> None:
        if self._signal is not None:
            sys.exit(128 + self._signal)


class ExperimentHook(MlflowHook):
    """kedro-mlflow's hook, made to log typed parameters key by key and to end every run with its true status.

    Where the tracking server is dead a run goes on without it: what it makes is worth more than its track.
    """

    def __init__(self) -> None:
        super().__init__()
        self._try = UntilFailure("not tracked, for MLflow does not answer")

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Set tracking up, with a server that may be dead."""
        if not MLFLOW_HTTP_REQUEST_MAX_RETRIES.is_set():
            MLFLOW_HTTP_REQUEST_MAX_RETRIES.set(RETRIES)
        MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT.set(True)  # a server's page for the run, once for every node
        self._try(lambda: super(ExperimentHook, self).after_context_created(context))

    @hook_impl
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol) -> None:
        """Start the run, and see to it that a killed one is called KILLED."""
        self._try(lambda: super(ExperimentHook, self).before_pipeline_run(run_params, pipeline, catalog))
        atexit.register(self._end, RunStatus.KILLED)

    @hook_impl
    def before_node_run(self, node: Node, catalog: CatalogProtocol, inputs: dict[str, Any], is_async: bool) -> None:
        """Log a node's parameters as plain values."""
        plain = {
            name: value.model_dump(mode="json") if isinstance(value, BaseModel) else value
            for name, value in inputs.items()
        }
        self._try(lambda: super(ExperimentHook, self).before_node_run(node, catalog, plain, is_async))

    @hook_impl
    def after_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol) -> None:
        """End the run as finished."""
        self._try(lambda: super(ExperimentHook, self).after_pipeline_run(run_params, pipeline, catalog))
        self._end(RunStatus.FINISHED)

    @hook_impl
    def on_pipeline_error(
        self, error: Exception, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol
    ) -> None:
        """End the run as failed."""
        self._try(lambda: super(ExperimentHook, self).on_pipeline_error(error, run_params, pipeline, catalog))
        self._end(RunStatus.FAILED)

    def _end(self, status: int) -> None:
        atexit.unregister(self._end)
        if not self._try.has_failed and not self._already_active_mlflow:
            self._try(lambda: _end_runs(status))


def _end_runs(status: int) -> None:
    """Empty MLflow's stack: kedro-mlflow pushes a run once more for every node."""
    while mlflow.active_run():
        mlflow.end_run(RunStatus.to_string(status))


class DistributedHook:
    """Calls the processes that ``torchrun`` started beside this one, when there is something to train."""

    @hook_impl
    def before_node_run(self, node: Node) -> None:
        """Let them load what this process has made."""
        if "distributed" in node.tags:
            from .training.distributed import join_process_group  # torch is imported where something is trained

            join_process_group().broadcast(node.name)
