"""The day on which a run takes place, as an input that the cache can see."""

from datetime import date
from typing import Any

from kedro.io import AbstractDataset, DatasetError


class TodayDataset(AbstractDataset[None, date]):
    """Today. For historical data it does not matter which day that is, and no stage runs again because of it.

    Example usage for the YAML API:

        today:
          type: atft_kedro.datasets.TodayDataset
          historical: true
    """

    def __init__(self, *, historical: bool, metadata: dict[str, Any] | None = None) -> None:
        self._historical = historical
        self.metadata = metadata

    def load(self) -> date:
        """Name the day: what is dated later cannot be known."""
        return date.today()

    def save(self, data: None) -> None:
        """Refuse: nobody sets the day."""
        raise DatasetError("Today is read, never written.")

    def _describe(self) -> dict[str, Any]:
        return {"day": "any" if self._historical else str(date.today())}

    def _exists(self) -> bool:
        return True
