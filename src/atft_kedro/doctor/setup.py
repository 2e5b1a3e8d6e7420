"""The project's configuration, read without the hooks that validate it or open the tracking store."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from kedro.framework.context import KedroContext
from kedro.framework.hooks import _create_hook_manager as create_hook_manager
from kedro.framework.session import KedroSession
from kedro_mlflow.config.kedro_mlflow_config import KedroMlflowConfig
from mlflow.environment_variables import MLFLOW_TRACKING_URI

from ..configuration import ProjectConfigLoader
from ..params import InputError
from .tracking import find_local_path

PRICES, DATASET = "prices", "ml_dataset"
MLFLOW_FILES = ["mlflow*", "mlflow*/**", "**/mlflow*"]  # kedro-mlflow's own patterns


@dataclass(frozen=True)
class ProjectSetup:
    """A project's configuration in one environment."""

    context: KedroContext
    loader: ProjectConfigLoader
    parameters: dict[str, Any]
    catalog: dict[str, Any]
    mlflow: KedroMlflowConfig

    @classmethod
    def read(cls, project: Path, env: str | None, params: dict[str, Any]) -> Self:
        """Read every configuration file."""
        session = KedroSession.create(project_path=project, env=env, runtime_params=params, save_on_close=False)
        session._hook_manager = create_hook_manager()  # without any hooks
        context = session.load_context()
        loader = context.config_loader
        assert isinstance(loader, ProjectConfigLoader)
        loader.config_patterns["mlflow"] = MLFLOW_FILES
        loader["parameters"] = loader["parameters"]  # read once; the catalog's interpolations read them too
        mlflow = KedroMlflowConfig.model_validate(loader["mlflow"])
        catalog = {name: _require_mapping(name, entry) for name, entry in loader["catalog"].items()}
        return cls(context, loader, loader["parameters"], catalog, mlflow)

    @property
    def run_command(self) -> str:
        """The command that runs this environment."""
        return f"kedro run --env {self.context.env}" if self.context.env else "kedro run"

    @property
    def users_entries(self) -> set[str]:
        """Names of the catalog entries that the user provides and no run creates."""
        return {PRICES, *(name for name, entry in self.catalog.items() if entry.get("read_only"))}

    @property
    def paths(self) -> dict[str, Path]:
        """Paths of the catalog entries on this machine."""
        written = {name: entry.get("filepath") or entry.get("path") for name, entry in self.catalog.items()}
        return {name: self.context.project_path / path for name, path in written.items() if path and "://" not in path}

    @property
    def tracking_uri(self) -> str:
        """The tracking store, found in the same order as kedro-mlflow does."""
        return str(self.mlflow.server.mlflow_tracking_uri or MLFLOW_TRACKING_URI.get() or "mlruns")

    def list_output_folders(self) -> list[Path]:
        """List the folders that runs write to, MLflow's store and artifacts included."""
        artifacts = self.mlflow.tracking.experiment.create_experiment_kwargs.artifact_location or "mlruns"
        local = [path for uri in (self.tracking_uri, artifacts) if (path := find_local_path(uri))]
        written = {name: path for name, path in self.paths.items() if name not in self.users_entries}
        folders = {path for name, path in written.items() if "path" in self.catalog[name]}
        files = (*written.values(), *(self.context.project_path / path for path in local))
        return sorted(folders | {path.parent for path in files})


def _require_mapping(name: str, entry: Any) -> dict[str, Any]:
    if not isinstance(entry, dict):
        raise InputError(f"The catalog's entry {name} is {entry!r}, not a block with a type, a path and so on.")
    return entry
