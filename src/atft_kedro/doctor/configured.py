"""What the configuration says, read without the hooks that refuse it or open the tracking store."""

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
from .project import find_place

PRICES, DATASET = "prices", "ml_dataset"
MLFLOW_FILES = ["mlflow*", "mlflow*/**", "**/mlflow*"]  # as kedro-mlflow has it


@dataclass(frozen=True)
class Configured:
    """A project's configuration in one environment."""

    context: KedroContext
    loader: ProjectConfigLoader
    parameters: dict[str, Any]
    catalog: dict[str, Any]
    mlflow: KedroMlflowConfig

    @classmethod
    def read(cls, project: Path, env: str | None, params: dict[str, Any]) -> Self:
        """Read every file."""
        session = KedroSession.create(project_path=project, env=env, runtime_params=params, save_on_close=False)
        session._hook_manager = create_hook_manager()  # one that calls nobody
        context = session.load_context()
        loader = context.config_loader
        assert isinstance(loader, ProjectConfigLoader)
        loader.config_patterns["mlflow"] = MLFLOW_FILES
        loader["parameters"] = loader["parameters"]  # read once; the catalog's interpolations read them too
        mlflow = KedroMlflowConfig.model_validate(loader["mlflow"])
        catalog = {name: _require_tree(name, entry) for name, entry in loader["catalog"].items()}
        return cls(context, loader, loader["parameters"], catalog, mlflow)

    @property
    def run(self) -> str:
        """Write the command that runs this environment."""
        return f"kedro run --env {self.context.env}" if self.context.env else "kedro run"

    @property
    def own(self) -> set[str]:
        """Name the entries that are the user's, and that no run makes."""
        return {PRICES, *(name for name, entry in self.catalog.items() if entry.get("read_only"))}

    @property
    def places(self) -> dict[str, Path]:
        """Find where each entry of this machine lies."""
        told = {name: entry.get("filepath") or entry.get("path") for name, entry in self.catalog.items()}
        return {name: self.context.project_path / path for name, path in told.items() if path and "://" not in path}

    @property
    def tracking(self) -> str:
        """Name the experiment store, as kedro-mlflow finds it."""
        return str(self.mlflow.server.mlflow_tracking_uri or MLFLOW_TRACKING_URI.get() or "mlruns")

    def list_written(self) -> list[Path]:
        """List the folders that runs write to: of each entry, and of MLflow's store and artifacts."""
        artifacts = self.mlflow.tracking.experiment.create_experiment_kwargs.artifact_location or "mlruns"
        found = [self.context.project_path / place for uri in (self.tracking, artifacts) if (place := find_place(uri))]
        written = {name: path for name, path in self.places.items() if name not in self.own}
        folders = {path for name, path in written.items() if "path" in self.catalog[name]}
        return sorted(folders | {path.parent for path in (*written.values(), *found)})


def _require_tree(name: str, entry: Any) -> dict[str, Any]:
    if not isinstance(entry, dict):
        raise InputError(f"The catalog's entry {name} is {entry!r}, no block of type, path and the like.")
    return entry
