"""Kedro hooks: check parameters, track experiments and end each with its true status."""

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
from .datasets.tracker import StopAfterFailure

RETRIES = 2  # of a request to a tracking server; MLflow's own seven take minutes

logging.getLogger("kedro_mlflow").setLevel(logging.WARNING)  # its import sets INFO


class ParameterHook:
    """Refuse invalid parameters before anything else happens."""

    @hook_impl(tryfirst=True)
    def after_context_created(self, context: KedroContext) -> None:
        """Validate every parameter block."""
        loader = context.config_loader
        assert isinstance(loader, ProjectConfigLoader)
        loader.require_valid_parameters()


class TerminationHook:
    """End a run on SIGTERM, and again if a library catches the first exit."""

    _signal: int | None = None

    @hook_impl
    def before_pipeline_run(self) -> None:
        """Install the signal handler."""
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._end)

    @hook_impl(tryfirst=True)
    def before_node_run(self) -> None:
        """Exit before a new node if SIGTERM was received."""
        self._exit_if_received()

    @hook_impl(tryfirst=True)
    def after_dataset_saved(self) -> None:
        """Exit after a save, so that an interrupted stage does not count as finished."""
        self._exit_if_received()

    def _end(self, number: int, frame: FrameType | None) -> None:
        self._signal = number
        self._exit_if_received()

    def _exit_if_received(self) -> None:
        if self._signal is not None:
            sys.exit(128 + self._signal)


class ExperimentHook(MlflowHook):
    """kedro-mlflow's hook with parameters logged key by key and the true status of each run.

    If the tracking server does not answer, the run continues without it.
    """

    def __init__(self) -> None:
        super().__init__()
        self._attempt = StopAfterFailure("MLflow does not answer; the run is not tracked")

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Set up tracking, with few retries if the server does not answer."""
        if not MLFLOW_HTTP_REQUEST_MAX_RETRIES.is_set():
            MLFLOW_HTTP_REQUEST_MAX_RETRIES.set(RETRIES)
        MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT.set(True)  # printed once for every node
        self._attempt(lambda: super(ExperimentHook, self).after_context_created(context))

    @hook_impl
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol) -> None:
        """Start the MLflow run; one that is killed gets the status KILLED."""
        self._attempt(lambda: super(ExperimentHook, self).before_pipeline_run(run_params, pipeline, catalog))
        atexit.register(self._end, RunStatus.KILLED)

    @hook_impl
    def before_node_run(self, node: Node, catalog: CatalogProtocol, inputs: dict[str, Any], is_async: bool) -> None:
        """Log a node's parameters as plain values."""
        plain = {
            name: value.model_dump(mode="json") if isinstance(value, BaseModel) else value
            for name, value in inputs.items()
        }
        self._attempt(lambda: super(ExperimentHook, self).before_node_run(node, catalog, plain, is_async))

    @hook_impl
    def after_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol) -> None:
        """End the run as finished."""
        self._attempt(lambda: super(ExperimentHook, self).after_pipeline_run(run_params, pipeline, catalog))
        self._end(RunStatus.FINISHED)

    @hook_impl
    def on_pipeline_error(
        self, error: Exception, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol
    ) -> None:
        """End the run as failed."""
        self._attempt(lambda: super(ExperimentHook, self).on_pipeline_error(error, run_params, pipeline, catalog))
        self._end(RunStatus.FAILED)

    def _end(self, status: int) -> None:
        atexit.unregister(self._end)
        if not self._attempt.has_failed and not self._already_active_mlflow:
            self._attempt(lambda: _end_runs(status))


def _end_runs(status: int) -> None:
    """End all runs on MLflow's stack; kedro-mlflow adds the run once per node."""
    while mlflow.active_run():
        mlflow.end_run(RunStatus.to_string(status))


class DistributedHook:
    """Start the other ``torchrun`` processes on a node that trains."""

    @hook_impl
    def before_node_run(self, node: Node) -> None:
        """Broadcast the name of the node to run."""
        if "distributed" in node.tags:
            from .training.distributed import join_process_group  # only a training imports torch

            join_process_group().broadcast(node.name)
