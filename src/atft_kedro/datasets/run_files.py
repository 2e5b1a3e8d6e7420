"""Texts and figures in a run's folder, and how a process keeps to its run."""

import logging
from collections.abc import Iterable

import plotly.graph_objects as go
from kedro.io import CatalogProtocol, DatasetError
from kedro_datasets.plotly import JSONDataset
from kedro_datasets.text import TextDataset

from ..files import atomic_write
from .in_run_folder import InRunFolder
from .trained_run import TrainedRunDataset

TRAINED_RUN = "trained_run"  # its catalog entry

_logger = logging.getLogger(__name__)


class RunTextDataset(InRunFolder, TextDataset):
    """A text in a run's folder, written beside and renamed.

    Example usage for the YAML API:

        summary:
          type: atft_kedro.datasets.RunTextDataset
          filepath: data/06_models/runs/{run}/summary.md
    """

    def save(self, data: str) -> None:
        """Write the whole text or nothing."""
        with atomic_write(self._filepath) as partial:
            partial.write_text(data)


class RunFigureDataset(InRunFolder, JSONDataset):
    """A Plotly figure in a run's folder, written beside and renamed.

    Example usage for the YAML API:

        ic_picture:
          type: atft_kedro.datasets.RunFigureDataset
          filepath: data/06_models/runs/{run}/plots/ic.json
    """

    def save(self, data: go.Figure) -> None:
        """Write the whole figure or nothing."""
        with atomic_write(self._filepath) as partial:
            partial.write_text(data.to_json())


def keep_to_run(catalog: CatalogProtocol, names: Iterable[str]) -> list[str]:
    """Bind these datasets to the run that is trained now; later runs of others do not matter.

    Returns those that lie in a run's folder. A file that names no run counts as absent.
    """
    trained = catalog.get(TRAINED_RUN)
    if not isinstance(trained, TrainedRunDataset) or not trained.exists():
        return []
    try:
        run, moved = trained.keep().run, []
    except DatasetError as error:
        _logger.warning("%s\n%s counts as absent: the next training replaces it", error, TRAINED_RUN)
        return []
    for name in names:
        dataset = catalog[name]
        if isinstance(dataset, InRunFolder) and dataset.is_of_a_run:
            dataset.run = run
            moved.append(name)
    return moved
