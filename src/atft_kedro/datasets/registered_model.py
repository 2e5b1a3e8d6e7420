"""The model in MLflow's registry."""

import logging
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Any

import mlflow
import polars as pl
from kedro.io import AbstractDataset
from mlflow.environment_variables import MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema

from ..export.model import Registration
from ..files import atomic_write
from ..params import InputError, Params
from . import served_model
from .run_files import InRunFolder
from .tracker import StopAfterFailure

PACKAGE = Path(__file__).parent.parent
REQUIREMENTS = ("mlflow", "numpy", "pandas", "polars", "pyarrow", "pydantic", "rich", "safetensors", "torch")

_logger = logging.getLogger(__name__)


class RegisteredModel(Params):
    """The name, version and address of a registered model."""

    name: str
    version: str
    uri: str
    run: str  # the trained run


class RegisteredModelDataset(InRunFolder, AbstractDataset[Registration, RegisteredModel]):
    """A model in MLflow's registry; the file records its version.

    It is logged to the active MLflow run. Nothing is pickled: MLflow gets the exported folder and a copy of the
    package's code. Without an active MLflow run or an answering server a warning is logged and no file is written.

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
        """Log and register the model, or log the reason why it is not."""
        self._filepath.unlink(missing_ok=True)
        if mlflow.active_run() is None:
            _logger.warning("the model of run %s is not registered: no MLflow run is active", data.run)
            return
        attempt = StopAfterFailure(f"MLflow failed; the model of run {data.run} is not registered")
        attempt(lambda: self._write(register(data, self._name)))

    def _write(self, registered: RegisteredModel) -> None:
        with atomic_write(self._filepath) as partial:
            partial.write_text(registered.model_dump_json(indent=2))

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath), "name": self._name}


def register(data: Registration, name: str) -> RegisteredModel:
    """Log the model to the active run with an explicit signature and requirements.

    Example rows go to a separate file: as MLflow's input example they would be forecast, and they are too few.
    """
    MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR.set(False)  # for two small files
    logged = mlflow.pyfunc.log_model(
        name=name,
        python_model=served_model.__file__,
        artifacts={served_model.FOLDER: str(data.folder)},
        signature=ModelSignature(_to_mlflow_schema(data.example.schema, data.optional), _to_mlflow_schema(data.output)),
        code_paths=[str(PACKAGE)],
        pip_requirements=[f"{package}=={version(package).partition('+')[0]}" for package in REQUIREMENTS],
        registered_model_name=name,
        tags={"run": data.run},
        metadata={"run": data.run, "folder": data.folder.name},
    )
    mlflow.log_text(data.example.write_csv(), f"{name}/columns.csv")
    number = logged.registered_model_version
    return RegisteredModel(name=name, version=str(number), uri=f"models:/{name}/{number}", run=data.run)


def _to_mlflow_schema(schema: pl.Schema, optional: Mapping[str, pl.DataType] = MappingProxyType({})) -> Schema:
    """Convert a schema to MLflow's: dates as text, floats in double precision."""
    needed = [ColSpec(_to_mlflow_type(dtype), name) for name, dtype in schema.items()]
    return Schema(
        [*needed, *(ColSpec(_to_mlflow_type(dtype), name, required=False) for name, dtype in optional.items())]
    )


def _to_mlflow_type(dtype: pl.DataType) -> DataType:
    if dtype.is_float():
        return DataType.double
    return DataType.integer if dtype.is_integer() else DataType.string
