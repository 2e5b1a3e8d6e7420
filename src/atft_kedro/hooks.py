"""Kedro hooks for parameters, new days of prices, SIGTERM, MLflow and the processes of torchrun."""

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

from .advice import remember_session
from .configuration import ProjectConfigLoader
from .datasets.raw_days import UpdatedPricesDataset
from .datasets.tracker import StopAfterFailure
from .workspaces import SIMULATED

RETRIES = 2  # of a request to the tracking server; MLflow's default of 7 takes minutes

logging.getLogger("kedro_mlflow").setLevel(logging.WARNING)  # importing kedro_mlflow sets the level INFO


class ParameterHook:
    """Hook that validates all parameters as soon as Kedro's context exists."""

    @hook_impl(tryfirst=True)
    def after_context_created(self, context: KedroContext) -> None:
        """Validate every parameter block, and store the options for messages that advise a command."""
        loader = context.config_loader
        assert isinstance(loader, ProjectConfigLoader)
        loader.require_valid_parameters()
        remember_session(context.env, loader.runtime_params or {}, loader["parameters"].get("source", SIMULATED))


class PriceUpdateHook:
    """Hook that stores new days of prices before the cache inspects the files."""

    @hook_impl(tryfirst=True)
    def before_pipeline_run(self, pipeline: Pipeline, catalog: CatalogProtocol) -> None:
        """Update the prices that the pipeline reads."""
        for name in sorted(pipeline.inputs()):
            if name in catalog and isinstance(dataset := catalog[name], UpdatedPricesDataset):
                dataset.update()


class TerminationHook:
    """Hook that exits on SIGTERM.

    If a library catches the exit, the process exits before the next node or after the next save.
    """

    _signal: int | None = None

    @hook_impl
    def before_pipeline_run(self) -> None:
        """Install the signal handler."""
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._receive_signal)

    @hook_impl(tryfirst=True)
    def before_node_run(self) -> None:
        """Exit before a new node if SIGTERM was received."""
        self._exit_if_received()

    @hook_impl(tryfirst=True)
    def after_dataset_saved(self) -> None:
        """Exit after a save if SIGTERM was received, before the stage is recorded as finished."""
        self._exit_if_received()

    def _receive_signal(self, number: int, frame: FrameType | None) -> None:
        self._signal = number
        self._exit_if_received()

    def _exit_if_received(self) -> None:
        if self._signal is not None:
            sys.exit(128 + self._signal)


class ExperimentHook(MlflowHook):
    """kedro-mlflow's hook, with three changes.

    A parameter model is logged as one value per key. An interrupted run gets the status KILLED. If MLflow fails, the
    run continues without it.
    """

    def __init__(self) -> None:
        super().__init__()
        self._call_mlflow = StopAfterFailure("MLflow failed; the rest of the run is not tracked")
        self._workspace = SIMULATED

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Set up tracking, with few retries if the server does not answer."""
        if not MLFLOW_HTTP_REQUEST_MAX_RETRIES.is_set():
            MLFLOW_HTTP_REQUEST_MAX_RETRIES.set(RETRIES)
        self._workspace = context.params.get("workspace", SIMULATED)
        MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT.set(True)  # else MLflow prints the run's URL once per node
        self._call_mlflow(lambda: super(ExperimentHook, self).after_context_created(context))

    @hook_impl
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol) -> None:
        """Start the MLflow run; if the process exits before the run ends, its status is KILLED."""
        self._call_mlflow(lambda: super(ExperimentHook, self).before_pipeline_run(run_params, pipeline, catalog))
        self._call_mlflow(lambda: mlflow.active_run() and mlflow.set_tag("workspace", self._workspace))
        atexit.register(self._end_mlflow_run, RunStatus.KILLED)

    @hook_impl
    def before_node_run(self, node: Node, catalog: CatalogProtocol, inputs: dict[str, Any], is_async: bool) -> None:
        """Log a node's parameters; a parameter model is logged as one value per key."""
        plain = {
            name: value.model_dump(mode="json") if isinstance(value, BaseModel) else value
            for name, value in inputs.items()
        }
        self._call_mlflow(lambda: super(ExperimentHook, self).before_node_run(node, catalog, plain, is_async))

    @hook_impl
    def after_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol) -> None:
        """End the run as finished."""
        self._call_mlflow(lambda: super(ExperimentHook, self).after_pipeline_run(run_params, pipeline, catalog))
        self._end_mlflow_run(RunStatus.FINISHED)

    @hook_impl
    def on_pipeline_error(
        self, error: Exception, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol
    ) -> None:
        """End the run as failed."""
        self._call_mlflow(lambda: super(ExperimentHook, self).on_pipeline_error(error, run_params, pipeline, catalog))
        self._end_mlflow_run(RunStatus.FAILED)  # kedro-mlflow has ended it; this cancels the status KILLED

    def _end_mlflow_run(self, status: int) -> None:
        atexit.unregister(self._end_mlflow_run)
        if not self._call_mlflow.has_failed and not self._already_active_mlflow:
            self._call_mlflow(lambda: _end_active_runs(status))


def _end_active_runs(status: int) -> None:
    """End all runs on MLflow's stack; kedro-mlflow pushes the same run again at every node."""
    while mlflow.active_run():
        mlflow.end_run(RunStatus.to_string(status))


class DistributedHook:
    """Hook that makes all ``torchrun`` processes run a node that trains."""

    @hook_impl
    def before_node_run(self, node: Node) -> None:
        """Broadcast the name of the Kedro node to the other processes, which wait for it."""
        if "distributed" in node.tags:
            from .training.distributed import join_process_group  # imported here so that other runs do not import torch

            join_process_group().broadcast(node.name)
