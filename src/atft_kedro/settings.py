"""The project's settings for Kedro."""

import logging
import warnings
from pathlib import Path

from kedro.utils import find_kedro_project
from mlflow.environment_variables import MLFLOW_DISABLE_TELEMETRY
from mlflow.telemetry import set_telemetry_client

from .commands.console import log_lines
from .configuration import ProjectConfigLoader
from .hooks import DistributedHook, ExperimentHook, ParameterHook, PriceUpdateHook, TerminationHook
from .workspaces import name_data_folder, name_registered_model

warnings.filterwarnings("ignore", message=r"register_new_resolver\(\) is")  # Kedro 1.7 under omegaconf 2.4

log_lines(logging.getLogger())

MLFLOW_DISABLE_TELEMETRY.set(True)  # in this process and its children
set_telemetry_client()

HOOKS = (TerminationHook(), DistributedHook(), ExperimentHook(), ParameterHook(), PriceUpdateHook())
DISABLE_HOOKS_FOR_PLUGINS = ("kedro_mlflow", "kedro-telemetry")  # replaced by ExperimentHook; no telemetry
CONFIG_LOADER_CLASS = ProjectConfigLoader
CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "local",
    "merge_strategy": {"parameters": "soft", "mlflow": "soft"},
    "custom_resolvers": {
        "project_path": lambda: str(find_kedro_project(Path.cwd()) or Path.cwd()),
        "data_folder": name_data_folder,
        "model_name": name_registered_model,
    },
}
