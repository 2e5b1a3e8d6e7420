"""Files in the folder of a run: the one trained last, or the one that this process trains."""

from pathlib import Path, PurePath

import plotly.graph_objects as go
from kedro_datasets.plotly import JSONDataset
from kedro_datasets.text import TextDataset
from pydantic import ValidationError

from ..files import atomic_write
from ..training.runs import TrainedRun

RUN = "<run>"  # in a file path of the catalog: stands for the run's name
TRAINED_RUN_FILE = "trained_run.json"  # next to the folder of all runs


class InRunFolder:
    """Mixin that replaces ``<run>`` in a dataset's file path by the name of a run.

    That is ``run`` where it is set, else the run that ``trained_run.json`` next to the folder of all runs names.
    """

    run: str | None = None

    @property
    def is_in_run_folder(self) -> bool:
        """Return whether the path contains ``<run>``."""
        return RUN in str(self._pattern)

    @property
    def _filepath(self) -> Path:
        path = str(self._pattern)
        folder, placeholder, _ = path.partition(RUN)
        run = (self.run or read_trained_run_name(Path(folder).parent / TRAINED_RUN_FILE)) if placeholder else None
        return Path(path if run is None else path.replace(RUN, run))

    @_filepath.setter
    def _filepath(self, pattern: PurePath) -> None:
        self._pattern = pattern

    def _exists(self) -> bool:
        return self._filepath.exists()


def read_trained_run_name(path: Path) -> str | None:
    """Read the name of the run trained last; None where the file is missing or invalid.

    Loading ``trained_run`` reports an invalid file; the next training replaces it.
    """
    if not path.exists():
        return None
    try:
        return TrainedRun.model_validate_json(path.read_text()).run
    except ValidationError:
        return None


class RunTextDataset(InRunFolder, TextDataset):
    """A text in a run's folder that is written completely or not at all.

    Example usage for the YAML API:

        summary:
          type: atft_kedro.datasets.RunTextDataset
          filepath: data/06_models/runs/<run>/summary.md
    """

    def save(self, data: str) -> None:
        """Write the text."""
        with atomic_write(self._filepath) as partial:
            partial.write_text(data)


class RunFigureDataset(InRunFolder, JSONDataset):
    """A Plotly figure in a run's folder that is written completely or not at all.

    Example usage for the YAML API:

        ic_plot:
          type: atft_kedro.datasets.RunFigureDataset
          filepath: data/06_models/runs/<run>/plots/ic.json
    """

    def save(self, data: go.Figure) -> None:
        """Write the figure as JSON."""
        with atomic_write(self._filepath) as partial:
            partial.write_text(data.to_json())
