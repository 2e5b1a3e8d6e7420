"""Dataset that registers a run's exported model in MLflow."""

import logging
from collections.abc import Mapping
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

import mlflow
import polars as pl
from kedro.io import AbstractDataset
from mlflow.environment_variables import MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema

from ..export.champion import CHALLENGER, CHAMPION
from ..export.model import Registration
from ..export.model_folder import ExportedModels
from ..files import atomic_write, parse_model, read_json
from ..params import InputError, Params
from ..training.runs import Runs
from . import served_model
from .run_files import InRunFolder
from .tracker import StopAfterFailure

PACKAGE_FOLDER = Path(__file__).parent.parent
REQUIREMENTS = (
    *("dataframely", "exchange_calendars", "mlflow", "numpy", "pandas", "polars", "pyarrow", "pydantic", "rich"),
    *("safetensors", "torch", "torch_geometric"),
)

_logger = logging.getLogger(__name__)


class RegisteredModel(Params):
    """The name, version and address of a registered model."""

    name: str
    version: str
    uri: str
    run: str  # the trained run


class RegisteredModelDataset(InRunFolder, AbstractDataset[Registration, RegisteredModel]):
    """A model in MLflow's registry; ``filepath`` stores its name, version and URI.

    It is logged to the active MLflow run. Nothing is pickled: MLflow gets the exported folder and a copy of the
    package's code. If no MLflow run is active, or the server does not answer, a warning is logged and no
    file is written.

    Example usage for the YAML API:

        registered_model:
          type: atft_kedro.datasets.RegisteredModelDataset
          filepath: data/06_models/runs/<run>/registered_model.json
          name: atft_gat_fan
    """

    def __init__(self, *, filepath: str, name: str, metadata: dict[str, Any] | None = None) -> None:
        self._filepath = Path(filepath)
        self._name = name
        self.metadata = metadata

    def load(self) -> RegisteredModel:
        """Read the name, version and address."""
        if not self._filepath.exists():
            raise InputError(f"{self._filepath} does not exist: this run's model is not registered.")
        return RegisteredModel.model_validate_json(self._filepath.read_text())

    def save(self, data: Registration) -> None:
        """Log the model to MLflow and register it, or write a warning with the reason."""
        self._filepath.unlink(missing_ok=True)
        if mlflow.active_run() is None:
            _logger.warning("the model of run %s is not registered: no MLflow run is active", data.run)
            return
        attempt = StopAfterFailure(f"MLflow failed; the model of run {data.run} is not registered")
        registered: list[RegisteredModel] = []
        attempt(lambda: registered.append(register(data, self._name)))
        for model in registered:  # outside of the attempt: an error of this file is not an error of MLflow
            with atomic_write(self._filepath) as file:
                file.write_text(model.model_dump_json(indent=2))
            self.set_aliases(self._filepath.parent.parent)

    def set_aliases(self, runs: Path) -> None:
        """Repeat the record of champion and challenger as aliases of the registered models."""
        record = ExportedModels(Runs(runs, commit="", is_dirty=False)).record
        versions: dict[str, str] = {}
        for role, run in ((CHAMPION, record.champion), (CHALLENGER, record.challenger)):
            stored = runs / str(run) / self._filepath.name
            if stored.exists():
                model = parse_model(read_json(stored), RegisteredModel, stored)
                versions |= {role: model.version} if model.name == self._name else {}
        if versions:
            attempt = StopAfterFailure("MLflow failed; its aliases may differ from the record of the champion")
            attempt(lambda: self._replace_aliases(versions))

    def _replace_aliases(self, versions: Mapping[str, str]) -> None:
        client = mlflow.MlflowClient()
        stored = client.get_registered_model(self._name).aliases
        for alias in (CHAMPION, CHALLENGER):
            if alias in stored and alias not in versions:
                client.delete_registered_model_alias(self._name, alias)
        for role, version in versions.items():
            client.set_registered_model_alias(self._name, role, version)

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath), "name": self._name}


def register(data: Registration, name: str) -> RegisteredModel:
    """Log the model to the active run with an explicit signature and requirements.

    Example rows go to a separate file. MLflow would run the model on an input example, and these rows are too few for
    that.
    """
    MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR.set(False)  # the model has only two small files
    logged = mlflow.pyfunc.log_model(
        name=name,
        python_model=served_model.__file__,
        artifacts={served_model.FOLDER: str(data.folder)},
        signature=ModelSignature(_to_mlflow_schema(data.example.schema, data.optional), _to_mlflow_schema(data.output)),
        code_paths=[str(PACKAGE_FOLDER)],
        pip_requirements=[f"{package}=={installed_version(package).partition('+')[0]}" for package in REQUIREMENTS],
        registered_model_name=name,
        tags={"run": data.run},
        metadata={"run": data.run, "folder": data.folder.name},
    )
    mlflow.log_text(data.example.write_csv(), f"{name}/columns.csv")
    version = logged.registered_model_version
    return RegisteredModel(name=name, version=str(version), uri=f"models:/{name}/{version}", run=data.run)


def _to_mlflow_schema(schema: pl.Schema, optional: Mapping[str, pl.DataType] | None = None) -> Schema:
    """Convert a schema to MLflow's: double for floats, 32-bit integers, booleans, and text for all else."""
    required = [ColSpec(_to_mlflow_type(dtype), name) for name, dtype in schema.items()]
    others = [ColSpec(_to_mlflow_type(dtype), name, required=False) for name, dtype in (optional or {}).items()]
    return Schema([*required, *others])


def _to_mlflow_type(dtype: pl.DataType) -> DataType:
    if dtype.is_float():
        return DataType.double
    if dtype == pl.Boolean:
        return DataType.boolean
    return DataType.integer if dtype.is_integer() else DataType.string
