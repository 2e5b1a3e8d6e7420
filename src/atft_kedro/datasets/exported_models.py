"""The models that runs have handed on."""

from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset, DatasetError

from ..export.export import PREFIX, HandedModels
from ..export.model_card import CARD
from ..training.runs import Runs


class HandedModelsDataset(AbstractDataset[None, HandedModels]):
    """The runs' handed-on models; where one is new or was made again, what it forecasts is made again too.

    Example usage for the YAML API:

        handed_models:
          type: atft_kedro.datasets.HandedModelsDataset
          path: data/06_models/runs
    """

    def __init__(self, *, path: str, metadata: dict[str, Any] | None = None) -> None:
        self._path = Path(path)
        self.metadata = metadata

    def load(self) -> HandedModels:
        """Find the folder of all runs."""
        return HandedModels(Runs(self._path, commit="", is_dirty=False))

    def save(self, data: None) -> None:
        """Refuse: the hand-off writes them."""
        raise DatasetError("A run hands its own model on.")

    def _describe(self) -> dict[str, Any]:
        cards = sorted(self._path.glob(f"[!.l]*/{PREFIX}*/{CARD}"))
        return {
            "runs": str(self._path),
            "models": {str(card.relative_to(self._path)): card.stat().st_mtime_ns for card in cards},
        }

    def _exists(self) -> bool:
        return True
