"""Prices that are stored day by day as they become known, and the stocks that are delisted according to them."""

from abc import abstractmethod
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import polars as pl
from pydantic import NonNegativeInt, PositiveFloat, ValidationError

from ..guard.calendars import last_finished_day
from ..market.columns import PriceFileParams
from ..market.daily_folder import DailyFolderSource
from ..market.jquants import URL, JQuantsClient, JQuantsSource
from ..market.raw_days import RawDays
from ..params import InputError, Params
from .read_only import ReadOnlyDataset

T = TypeVar("T")
EXCHANGE = "XTKS"


class RawDaysParams(Params):
    """The day as of which stored days are read, and the market segments that are left out."""

    as_of: date | None = None
    without_segments: tuple[str, ...] = ()


class DailyFolderParams(RawDaysParams):
    """The format of the incoming files, and how many of the newest are read again."""

    incoming: PriceFileParams = PriceFileParams()
    recheck_days: NonNegativeInt = 20


class JQuantsParams(RawDaysParams):
    """The days to fetch, and the plan's limits; ``delay_days`` is the age of its newest prices."""

    since: date
    url: str = URL
    requests_per_minute: PositiveFloat = 60
    delay_days: NonNegativeInt = 0
    recheck_days: NonNegativeInt = 5


class DelistingParams(RawDaysParams):
    """The last return of a delisted stock, from its last close to what its owner received."""

    final_return: float


class RawDaysDataset(ReadOnlyDataset[T]):
    """A table that is computed from stored days."""

    reason = "Days of prices only come from their source."
    model: ClassVar[type[RawDaysParams]]

    def __init__(self, *, path: str, metadata: dict[str, Any] | None = None, **settings: Any) -> None:
        super().__init__(metadata=metadata)
        self._days = RawDays(Path(path))
        try:
            self._params: Any = self.model.model_validate(settings)
        except ValidationError as error:
            raise InputError(f"The catalog entry of the days of prices at {path} is wrong: {error}") from error

    def _describe(self) -> dict[str, Any]:
        return {"path": str(self._days.days_folder), **self._params.model_dump(mode="json")}


class UpdatedPricesDataset(RawDaysDataset[pl.LazyFrame]):
    """Prices whose new days are stored by ``update``, which a hook calls before a run."""

    def update(self) -> None:
        """Store the new days of the source; none if the prices are loaded as of an earlier day."""
        if self._params.as_of is None:
            self._store_new_days()

    @abstractmethod
    def _store_new_days(self) -> None: ...

    def load(self) -> pl.LazyFrame:
        """Load the adjusted prices."""
        return self._days.load(self._params.as_of, self._params.without_segments).collect().lazy()


class DailyFolderDataset(UpdatedPricesDataset):
    """Prices from a folder to which a file per day is added; ``path`` stores the days.

    Example usage for the YAML API:

        prices:
          type: atft_kedro.datasets.DailyFolderDataset
          filepath: data/01_raw/incoming      # the folder: 2024-01-31.csv, …
          path: data/01_raw/daily
          incoming: {columns: {code: Symbol, adjustment_factor: Split}}    # as for PriceFilesDataset
    """

    model = DailyFolderParams

    def __init__(self, *, filepath: str, **settings: Any) -> None:
        super().__init__(**settings)
        self._source = DailyFolderSource(Path(filepath), self._params.incoming)

    def _store_new_days(self) -> None:
        self._days.update(self._source, date.min, date.max, self._params.recheck_days)


class JQuantsDataset(UpdatedPricesDataset):
    """Prices of the Tokyo Stock Exchange from J-Quants; ``path`` stores the days.

    Example usage for the YAML API:

        prices:
          type: atft_kedro.datasets.JQuantsDataset
          path: data/01_raw/jquants
          credentials: jquants                # conf/local/credentials.yml: {jquants: {api_key: …}}
          since: 2021-01-04
          without_segments: ["0105", "0109"]  # TOKYO PRO MARKET; others, such as funds
    """

    model = JQuantsParams

    def __init__(self, *, credentials: Mapping[str, Any], **settings: Any) -> None:
        super().__init__(**settings)
        self._api_key = credentials.get("api_key")

    def _store_new_days(self) -> None:
        if not isinstance(self._api_key, str):
            raise InputError("J-Quants needs an API key: `jquants: {api_key: …}` in conf/local/credentials.yml.")
        params = self._params
        source = JQuantsSource(JQuantsClient(self._api_key, params.url, params.requests_per_minute))
        last = last_finished_day(EXCHANGE, None) - timedelta(days=params.delay_days)
        self._days.update(source, params.since, last, params.recheck_days)


class DelistedIssuesDataset(RawDaysDataset[pl.DataFrame]):
    """Stocks that the newest stored day lacks, with the same last return for all.

    Example usage for the YAML API:

        delistings:
          type: atft_kedro.datasets.DelistedIssuesDataset
          path: data/01_raw/jquants
          final_return: 0.0
    """

    model = DelistingParams

    def load(self) -> pl.DataFrame:
        """Find the delisted stocks."""
        return self._days.find_delisted(self._params.as_of, self._params.without_segments, self._params.final_return)
