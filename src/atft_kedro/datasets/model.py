"""Typed artefacts as readable JSON."""

from importlib import import_module
from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset
from pydantic import ValidationError

from ..files import atomic_write
from ..params import InputError, Params
from .in_run_folder import InRunFolder


class ModelDataset(InRunFolder, AbstractDataset[Params, Params]):
    """One frozen model in a JSON file, checked when it is loaded, written beside and renamed.

    Example usage for the YAML API:

        split:
          type: atft_kedro.datasets.ModelDataset
          filepath: data/05_model_input/split.json
          model: atft_kedro.panel.split.Split
    """

    def __init__(self, *, filepath: str, model: str, metadata: dict[str, Any] | None = None) -> None:
        self._filepath = Path(filepath)
        self._name = model
        module, _, name = model.rpartition(".")
        self._model: type[Params] = getattr(import_module(module), name)
        self.metadata = metadata

    def load(self) -> Params:
        """Read and check the document."""
        if not self._filepath.exists():
            raise InputError(f"{self._filepath} does not exist; the stage before makes it: see kedro atft stages.")
        try:
            return self._model.model_validate_json(self._filepath.read_text())
        except ValidationError as error:
            raise InputError(f"{self._filepath} is no {self._name.rpartition('.')[2]}: {error}") from error

    def save(self, data: Params) -> None:
        """Write the whole document or nothing."""
        with atomic_write(self._filepath) as partial:
            partial.write_text(data.model_dump_json(indent=2))

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath), "model": self._name}

    def _exists(self) -> bool:
        return self._filepath.exists()
