"""JSON files: plain documents, typed models and the split."""

import json
from importlib import import_module
from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset
from kedro_datasets._typing import PlotlyPreview
from kedro_datasets.json import JSONDataset

from ..advice import advise_command
from ..files import atomic_write, parse_model, read_json
from ..panel.split import Split
from ..params import InputError, Params
from ..reporting.split_figures import plot_splits
from .run_files import InRunFolder


def _advise() -> str:
    return f"{advise_command('atft stages')} names the stage that writes it"


class AtomicJSONDataset(JSONDataset):
    """Kedro's JSONDataset for a local file that is written completely or not at all.

    Example usage for the YAML API:

        price_report:
          type: atft_kedro.datasets.AtomicJSONDataset
          filepath: data/08_reporting/price_report.json
    """

    def save(self, data: Any) -> None:
        """Write the document; NaN and infinities are refused, because JSON has none."""
        text = json.dumps(data, indent=2, allow_nan=False)
        with atomic_write(Path(str(self._filepath))) as partial:
            partial.write_text(text)


class ModelDataset(InRunFolder, AbstractDataset[Params, Params]):
    """A pydantic model in a JSON file, validated when it is loaded.

    With ``optional: true`` a missing file is a model without values.

    Example usage for the YAML API:

        scaler:
          type: atft_kedro.datasets.ModelDataset
          filepath: data/05_model_input/scaler.json
          model: atft_kedro.panel.scaler.Scaler
    """

    def __init__(
        self, *, filepath: str, model: str, optional: bool = False, metadata: dict[str, Any] | None = None
    ) -> None:
        self._filepath = Path(filepath)
        self._name = model
        self._optional = optional
        module, _, name = model.rpartition(".")
        self._model: type[Params] = getattr(import_module(module), name)
        self.metadata = metadata

    def load(self) -> Params:
        """Read and validate the document."""
        if not self._filepath.exists():
            if self._optional:
                return self._model()
            raise InputError(f"{self._filepath} does not exist; {_advise()}.")
        try:
            return parse_model(read_json(self._filepath), self._model, self._filepath)
        except InputError as error:
            raise InputError(f"{error} Write it again; {_advise()}.") from error

    def save(self, data: Params) -> None:
        """Write the document completely or not at all."""
        with atomic_write(self._filepath) as partial:
            partial.write_text(data.model_dump_json(indent=2))

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath), "model": self._name}


class SplitDataset(ModelDataset):
    """The split into train, validation and test days; Kedro-Viz shows it as a figure.

    Example usage for the YAML API:

        split:
          type: atft_kedro.datasets.SplitDataset
          filepath: data/05_model_input/split.json
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        super().__init__(filepath=filepath, model=f"{Split.__module__}.{Split.__name__}", metadata=metadata)

    def preview(self) -> PlotlyPreview:
        """Plot the split for Kedro-Viz."""
        split = self.load()
        assert isinstance(split, Split)
        return PlotlyPreview(json.loads(plot_splits([split]).to_json()))
