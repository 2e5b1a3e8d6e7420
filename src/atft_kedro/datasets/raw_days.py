"""Prices that are stored day by day as they become known, and the stocks that are delisted according to them."""

from abc import abstractmethod
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any, TypeVar

import polars as pl

from ..guard.calendars import last_finished_day
from ..market.daily_folder import DailyFolderSource
from ..market.jquants import JQuantsClient, JQuantsSource
from ..market.raw_days import DaySource, RawDays
from ..params import InputError
from .read_only import ReadOnlyDataset

T = TypeVar("T")
EXCHANGE = "XTKS"


class RawDaysDataset(ReadOnlyDataset[T]):
    """A table of the days that are stored in the folder ``path``, without some segments."""

    reason = "Days of prices only come from their source."

    def __init__(
        self, *, path: str, as_of: Any = None, without_segments: Any = (), metadata: dict[str, Any] | None = None
    ) -> None:
        super().__init__(metadata=metadata)
        self._days = RawDays(folder=Path(path), as_of=as_of, without_segments=without_segments)

    def _describe(self) -> dict[str, Any]:
        segments = list(self._days.without_segments)
        return {"path": str(self._days.days_folder), "as_of": str(self._days.as_of), "without_segments": segments}


class UpdatedPricesDataset(RawDaysDataset[pl.LazyFrame]):
    """Prices whose new days are stored by ``update``, which a hook calls before a run."""

    def __init__(self, *, recheck_days: int, **stored: Any) -> None:
        super().__init__(**stored)
        self._recheck_days = recheck_days

    def update(self) -> None:
        """Store the new days of the source; none if the prices are loaded as of an earlier day."""
        if self._days.as_of is None:
            self._days.update(self._make_source(), self._recheck_days)

    @abstractmethod
    def _make_source(self) -> DaySource: ...

    def load(self) -> pl.LazyFrame:
        """Load the adjusted prices."""
        return self._days.load().collect().lazy()


class DailyFolderDataset(UpdatedPricesDataset):
    """Prices from a folder to which a file per day is added; ``path`` stores the days.

    Example usage for the YAML API:

        prices:
          type: atft_kedro.datasets.DailyFolderDataset
          filepath: data/01_raw/incoming      # the folder: 2024-01-31.csv, …
          path: data/01_raw/daily
          incoming: {columns: {code: Symbol, adjustment_factor: Split}}    # as for PriceFilesDataset
          recheck_days: 20                    # newest stored days that are compared with their files
    """

    def __init__(self, *, filepath: str, incoming: Any, **stored: Any) -> None:
        super().__init__(**stored)
        self._source = DailyFolderSource(folder=Path(filepath), params=incoming)

    def _make_source(self) -> DaySource:
        return self._source


class JQuantsDataset(UpdatedPricesDataset):
    """Prices of the Tokyo Stock Exchange from J-Quants; ``path`` stores the days.

    Example usage for the YAML API:

        prices:
          type: atft_kedro.datasets.JQuantsDataset
          path: data/01_raw/jquants
          credentials: jquants                # conf/local/credentials.yml: {jquants: {api_key: …}}
          url: https://api.jquants.com/v2
          requests_per_minute: 60             # of the plan
          since: 2021-01-04                   # first day to fetch
          delay_days: 0                       # age of the newest prices of the plan
          recheck_days: 5                     # newest stored days that are compared with the source
          without_segments: ["0105", "0109"]  # TOKYO PRO MARKET; others, such as funds
    """

    def __init__(
        self,
        *,
        credentials: Mapping[str, Any],
        since: Any,
        delay_days: int,
        url: str,
        requests_per_minute: float,
        **stored: Any,
    ) -> None:
        super().__init__(**stored)
        key = str(credentials.get("api_key") or "")
        self._client = JQuantsClient(api_key=key, url=url, requests_per_minute=requests_per_minute)
        self._since, self._delay = date.fromisoformat(str(since)), timedelta(days=delay_days)

    def _make_source(self) -> DaySource:
        if not self._client.api_key:
            raise InputError("J-Quants needs an API key: `jquants: {api_key: …}` in conf/local/credentials.yml.")
        return JQuantsSource(self._client, self._since, last_finished_day(EXCHANGE, None) - self._delay)


class DelistedIssuesDataset(RawDaysDataset[pl.DataFrame]):
    """Stocks that the newest stored day lacks, with the same last return for all.

    Example usage for the YAML API:

        delistings:
          type: atft_kedro.datasets.DelistedIssuesDataset
          path: data/01_raw/jquants
          final_return: 0.0                   # from the last close to what the owner received
    """

    def __init__(self, *, final_return: float, **stored: Any) -> None:
        super().__init__(**stored)
        self._final_return = final_return

    def load(self) -> pl.DataFrame:
        """Find the delisted stocks."""
        return self._days.find_delisted(self._final_return)

    def _describe(self) -> dict[str, Any]:
        return {**super()._describe(), "final_return": self._final_return}
