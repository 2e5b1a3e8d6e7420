"""The day on which a run takes place, as an input that the cache can see."""

from datetime import date
from typing import Any

from kedro.io import AbstractDataset, DatasetError

from ..guard.calendars import WEEKDAYS, current_day


class TodayDataset(AbstractDataset[None, date]):
    """Today, where the prices are traded: in ``time_zone``, else that of the exchange, else that of the machine.

    For historical data it does not matter which day that is, and no stage runs again because of it.

    Example usage for the YAML API:

        today:
          type: atft_kedro.datasets.TodayDataset
          historical: true
          calendar: XTKS
    """

    def __init__(
        self,
        *,
        historical: bool,
        calendar: str = WEEKDAYS,
        time_zone: str | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        self._historical = historical
        self._calendar, self._time_zone = calendar, time_zone
        self.metadata = metadata

    def load(self) -> date:
        """Name the day: what is dated later cannot be known."""
        return current_day(self._calendar, self._time_zone)

    def save(self, data: None) -> None:
        """Refuse: nobody sets the day."""
        raise DatasetError("Today is read, never written.")

    def _describe(self) -> dict[str, Any]:
        return {"day": "any" if self._historical else str(current_day(self._calendar, self._time_zone))}

    def _exists(self) -> bool:
        return True
