"""The project's configuration, read without Kedro's hooks, which validate it and open the tracking store."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from kedro.framework.context import KedroContext
from kedro.framework.hooks import _create_hook_manager as create_hook_manager
from kedro.framework.session import KedroSession
from kedro_mlflow.config.kedro_mlflow_config import KedroMlflowConfig
from mlflow.environment_variables import MLFLOW_TRACKING_URI

from ..advice import remember_session
from ..configuration import ProjectConfigLoader
from ..params import InputError
from ..workspaces import SIMULATED
from .tracking import find_local_path

PRICES_ENTRY, DATASET_ENTRY = "prices", "ml_dataset"
MLFLOW_FILES = ["mlflow*", "mlflow*/**", "**/mlflow*"]  # the patterns with which kedro-mlflow finds its file


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
        """Read the parameters, the catalog and the configuration of MLflow."""
        session = KedroSession.create(project_path=project, env=env, runtime_params=params, save_on_close=False)
        session._hook_manager = create_hook_manager()  # a new manager has no hooks
        context = session.load_context()
        loader = context.config_loader
        assert isinstance(loader, ProjectConfigLoader)
        loader.config_patterns["mlflow"] = MLFLOW_FILES
        source = loader["parameters"].get("source", SIMULATED)
        remember_session(env, params, source)  # the hook that does this is not installed here
        mlflow = KedroMlflowConfig.model_validate(loader["mlflow"])
        catalog = {name: _require_mapping(name, entry) for name, entry in loader["catalog"].items()}
        return cls(context, loader, loader["parameters"], catalog, mlflow)

    @property
    def user_entries(self) -> set[str]:
        """Names of the catalog entries that the user provides: prices and read-only entries."""
        return {PRICES_ENTRY, *(name for name, entry in self.catalog.items() if entry.get("read_only"))}

    @property
    def paths(self) -> dict[str, Path]:
        """Paths of the catalog entries on this machine."""
        texts = {name: entry.get("filepath") or entry.get("path") for name, entry in self.catalog.items()}
        return {name: self.context.project_path / path for name, path in texts.items() if path and "://" not in path}

    @property
    def tracking_uri(self) -> str:
        """The tracking store of ``mlflow.yml``, else of MLflow's variable, else ``mlruns``."""
        return str(self.mlflow.server.mlflow_tracking_uri or MLFLOW_TRACKING_URI.get() or "mlruns")

    def list_output_folders(self) -> list[Path]:
        """List the folders that runs write to, and the folders in which they create outputs."""
        artifacts = self.mlflow.tracking.experiment.create_experiment_kwargs.artifact_location or "mlruns"
        tracking_paths = [path for uri in (self.tracking_uri, artifacts) if (path := find_local_path(uri))]
        outputs = {name: path for name, path in self.paths.items() if name not in self.user_entries}
        folders = {path for name, path in outputs.items() if "path" in self.catalog[name]}
        paths = (*outputs.values(), *(self.context.project_path / path for path in tracking_paths))
        return sorted(folders | {path.parent for path in paths})


def _require_mapping(name: str, entry: Any) -> dict[str, Any]:
    if not isinstance(entry, dict):
        raise InputError(f"The catalog entry {name} must be a block with a type and a path, but is {entry!r}.")
    return entry
