"""Sources of a run: prices, benchmark returns and the current day."""

from collections.abc import Iterable
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import polars as pl
from polars.exceptions import PolarsError
from pydantic import ValidationError

from ..guard.calendars import WEEKDAYS, current_day, last_finished_day
from ..market.benchmark_returns import SCHEMA, BenchmarkReturns, read_benchmark_returns
from ..market.columns import PriceFileParams
from ..market.delistings import NO_DELISTINGS, read_delistings
from ..market.extra_tables import ExtraTables, has_tables, read_extra_tables
from ..market.parse_cells import DateFormat
from ..market.price_files import read_prices
from ..market.simulated_drivers import MarketParams
from ..market.simulation import SimulatedMarket, simulate_market
from ..params import InputError
from ..schema import CODE, DATE
from .read_only import ReadOnlyDataset


class SimulatedMarketDataset(ReadOnlyDataset[pl.LazyFrame]):
    """A table of the simulated market: its prices, its oracle or its true neighbours.

    ``market`` is the parameter block of that name. With null there is no simulated market and the table is empty.

    Example usage for the YAML API:

        oracle:
          type: atft_kedro.datasets.SimulatedMarketDataset
          market: null
          table: oracle
    """

    reason = "A simulated market is computed from its parameters."

    def __init__(
        self,
        *,
        market: dict[str, Any] | None,
        table: Literal["prices", "oracle", "neighbours"] = "prices",
        metadata: dict[str, Any] | None = None,
    ) -> None:
        self._market = None if market is None else MarketParams.model_validate(market)
        self._table = table
        self.metadata = metadata

    def load(self) -> pl.LazyFrame:
        """Simulate the market; the last one is kept for its other tables."""
        if self._market is None:
            return pl.LazyFrame(schema={DATE: pl.Date, CODE: pl.String})
        market = _simulate(self._market.model_dump_json())
        return {"prices": market.prices, "oracle": market.oracle, "neighbours": market.neighbours}[self._table].lazy()

    def _describe(self) -> dict[str, Any]:
        return {"table": self._table, **(self._market.model_dump(mode="json") if self._market else {})}


@lru_cache(maxsize=1)
def _simulate(market: str) -> SimulatedMarket:
    return simulate_market(MarketParams.model_validate_json(market))


class PriceFilesDataset(ReadOnlyDataset[pl.LazyFrame]):
    """Prices from a file of a user, or from a folder of files, with any column names.

    Example usage for the YAML API:

        prices:
          type: atft_kedro.datasets.PriceFilesDataset
          path: data/01_raw/prices            # a file, or a folder with a file per stock
          columns: {date: Date, code: Code, close: Last}
    """

    reason = "Price files belong to the user."

    def __init__(self, *, path: str, metadata: dict[str, Any] | None = None, **layout: Any) -> None:
        self._path = Path(path)
        try:
            self._layout = PriceFileParams.model_validate(layout)
        except ValidationError as error:
            raise InputError(f"The catalog entry of the price files at {path} is wrong: {error}") from error
        self.metadata = metadata

    def load(self) -> pl.LazyFrame:
        """Read the files into the project's columns."""
        try:
            return read_prices(self._path, self._layout).collect().lazy()
        except (PolarsError, OSError) as error:
            raise InputError(f"{self._path} cannot be read to its end: {error}") from error

    def _describe(self) -> dict[str, Any]:
        return {"path": str(self._path), **self._layout.model_dump(mode="json")}

    def _exists(self) -> bool:
        return self._path.exists()


class BenchmarkReturnsDataset(ReadOnlyDataset[BenchmarkReturns]):
    """Returns from a parquet file: date, code, observed, return_1d; empty with ``path: null``.

    Example usage for the YAML API:

        benchmark_returns:
          type: atft_kedro.datasets.BenchmarkReturnsDataset
          path: data/01_raw/benchmark_returns.parquet
    """

    reason = "The benchmark's returns belong to the user."

    def __init__(self, *, path: str | None, metadata: dict[str, Any] | None = None) -> None:
        self._path = None if path is None else Path(path)
        self.metadata = metadata

    def load(self) -> BenchmarkReturns:
        """Read the file."""
        if self._path is None:
            return BenchmarkReturns(pl.DataFrame(schema=SCHEMA))
        if not self._path.exists():
            raise InputError(
                f"{self._path} does not exist: give the benchmark's returns with --params benchmark_returns=PATH."
            )
        try:
            return read_benchmark_returns(pl.scan_parquet(self._path, glob=False))
        except (PolarsError, OSError) as error:
            raise InputError(f"{self._path} (benchmark returns) is not a complete parquet file: {error}") from error

    def _describe(self) -> dict[str, Any]:
        return {"path": None if self._path is None else str(self._path)}

    def _exists(self) -> bool:
        return self._path is None or self._path.exists()


class DelistingsDataset(ReadOnlyDataset[pl.DataFrame]):
    """Last returns of delisted stocks, from a CSV or parquet file; empty with ``path: null``.

    Example usage for the YAML API:

        delistings:
          type: atft_kedro.datasets.DelistingsDataset
          path: data/01_raw/delistings.csv
          dates: {text: "%d.%m.%Y"}           # as for PriceFilesDataset
    """

    reason = "The table of delistings belongs to the user."

    def __init__(
        self, *, path: str | None, dates: dict[str, Any] | None = None, metadata: dict[str, Any] | None = None
    ) -> None:
        self._path = None if path is None else Path(path)
        try:
            self._dates = DateFormat.model_validate(dates or {})
        except ValidationError as error:
            raise InputError(f"The catalog entry of the delistings at {path} is wrong: {error}") from error
        self.metadata = metadata

    def load(self) -> pl.DataFrame:
        """Read and check the file."""
        if self._path is None:
            return NO_DELISTINGS
        try:
            return read_delistings(self._path, self._dates)
        except (PolarsError, OSError) as error:
            raise InputError(f"{self._path} (delistings) cannot be read to its end: {error}") from error

    def _describe(self) -> dict[str, Any]:
        return {"path": None if self._path is None else str(self._path), **self._dates.model_dump(mode="json")}

    def _exists(self) -> bool:
        return self._path is None or self._path.exists()


class ExtraTablesDataset(ReadOnlyDataset[ExtraTables]):
    """A folder of CSV and parquet files with code, available_from and values; it may be missing.

    Only the ``columns`` are read.

    Example usage for the YAML API:

        extra_tables:
          type: atft_kedro.datasets.ExtraTablesDataset
          path: data/01_raw/extra
          columns: [pe, short_interest]
    """

    reason = "Tables of further values belong to the user."

    def __init__(self, *, path: str, columns: Iterable[str], metadata: dict[str, Any] | None = None) -> None:
        super().__init__(metadata=metadata)
        self._path, self._columns = Path(path), tuple(columns)

    def load(self) -> ExtraTables:
        """Read and check the tables."""
        try:
            return read_extra_tables(self._path, self._columns)
        except (PolarsError, OSError) as error:
            raise InputError(f"The tables in {self._path} cannot be read to their end: {error}") from error

    def _describe(self) -> dict[str, Any]:
        return {"path": str(self._path) if has_tables(self._path) else None, "columns": self._columns}


class CurrentDayDataset(ReadOnlyDataset[date]):
    """The current day in ``time_zone``, else in the exchange's time zone, else in the machine's.

    With ``finished: true`` it is the newest day whose trading is over: before the close, that is the day before.
    With ``historical: true`` the day does not matter to the cache: no stage runs again because of it.

    Example usage for the YAML API:

        current_day:
          type: atft_kedro.datasets.CurrentDayDataset
          historical: true
          calendar: XTKS
    """

    reason = "The current day comes from the clock."

    def __init__(
        self,
        *,
        historical: bool,
        calendar: str = WEEKDAYS,
        time_zone: str | None = None,
        finished: bool = False,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        self._historical = historical
        self._calendar, self._time_zone = calendar, time_zone
        self._find_day = last_finished_day if finished else current_day
        self.metadata = metadata

    def load(self) -> date:
        """Return the current day."""
        return self._find_day(self._calendar, self._time_zone)

    def _describe(self) -> dict[str, Any]:
        return {"day": "any" if self._historical else str(self._find_day(self._calendar, self._time_zone))}
