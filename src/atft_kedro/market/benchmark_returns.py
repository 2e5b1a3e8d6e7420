"""Returns prescribed by a benchmark: its stocks, its days and each stock's next-day return."""

import logging
from dataclasses import dataclass

import numpy as np
import polars as pl

from ..params import InputError, list_names
from ..schema import CODE, DATE, ELIGIBLE, KEY, target

OBSERVED, RETURN = "observed", "return_1d"
SCHEMA = pl.Schema({DATE: pl.Date, CODE: pl.String, OBSERVED: pl.Boolean, RETURN: pl.Float32})
NEXT_DAY = target(1)

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class BenchmarkReturns:
    """A benchmark's returns; without rows it prescribes nothing.

    One row per date and code: was the stock observed, and its return since the trading day before. The forecast for
    this return is made on that day before.
    """

    rows: pl.DataFrame

    @property
    def days(self) -> np.ndarray:
        """List the days of the returns (not the days of their forecasts)."""
        return self.rows[DATE].unique().sort().to_numpy()

    def restrict_universe(self, universe: pl.DataFrame) -> pl.DataFrame:
        """Keep only the benchmark's stocks eligible, and on its days only the observed ones."""
        if self.rows.is_empty():
            return universe
        observed = universe.join(
            self.rows.select(*KEY, OBSERVED), on=KEY, how="left", maintain_order="left"
        ).with_columns(pl.col(OBSERVED).fill_null(value=False))
        in_period = pl.col(DATE).is_between(self.rows[DATE].min(), self.rows[DATE].max())
        is_prescribed = pl.col(CODE).is_in(self.rows[CODE].unique().implode()) & (~in_period | pl.col(OBSERVED))
        restricted = observed.select(*KEY, pl.col(ELIGIBLE) & is_prescribed)
        if not restricted[ELIGIBLE].any():
            raise InputError("No stock of the benchmark returns is in the prices: are their codes the same?")
        counts = restricted[ELIGIBLE].sum(), universe[ELIGIBLE].sum()
        _logger.info("benchmark returns: %d of %d forecasts are part of the benchmark", *counts)
        return restricted

    def list_next_day_returns(self, trading_days: pl.Series, entry_lag: int) -> pl.DataFrame:
        """Date each return by its forecast day; null where the stock was not observed on both days."""
        if entry_lag:
            raise InputError(
                f"features.entry_lag is {entry_lag}: benchmark returns start at the close of the forecast day, "
                "which is entry_lag 0."
            )
        known = trading_days.unique().sort().to_frame(DATE)
        self._require_known_days(known[DATE])
        days = pl.DataFrame({"day": self.rows[DATE].unique().sort()})
        calendar = days.join_asof(
            known, left_on="day", right_on=DATE, strategy="backward", allow_exact_matches=False
        ).drop_nulls()
        before = self.rows.select(*KEY, pl.col(OBSERVED).alias("observed_before"))
        return (
            self.rows.rename({DATE: "day"})
            .join(calendar, on="day")
            .join(before, on=KEY)  # drops returns whose forecast day the benchmark does not cover
            .select(*KEY, pl.when(pl.col(OBSERVED) & pl.col("observed_before")).then(RETURN).alias(RETURN))
        )

    def _require_known_days(self, known: pl.Series) -> None:
        """Refuse returns on days without prices: they would be a second return for the day before."""
        unknown = self.rows.filter(~pl.col(DATE).is_in(known.implode())).sort(KEY)
        if unknown.is_empty():
            return
        days = unknown[DATE].unique().sort()
        first, last = known.sort().gather([0, -1])
        if days[0] > last:
            raise InputError(
                f"The benchmark returns end on {days[-1]}, after the last day of the prices, {last}: give prices up to "
                "that day, or remove the later returns."
            )
        examples = list_names(f"{code} on {day}" for day, code in unknown.select(KEY).iter_rows())
        raise InputError(
            f"{unknown.height} benchmark returns are on {len(days)} days that the prices ({first} to {last}) lack: "
            f"{examples}. Remove them, or add the prices of these days."
        )


def replace_next_day_targets(dataset: pl.DataFrame, returns: pl.DataFrame) -> pl.DataFrame:
    """Replace the one-day targets by a benchmark's ``returns`` where it has a row, also by null."""
    prescribed = returns.with_columns(pl.lit(value=True).alias("is_prescribed"))
    replaced = pl.when("is_prescribed").then(RETURN).otherwise(NEXT_DAY).alias(NEXT_DAY)
    joined = dataset.join(prescribed, on=KEY, how="left", maintain_order="left")
    return joined.with_columns(replaced).drop("is_prescribed", RETURN)


def read_benchmark_returns(table: pl.LazyFrame) -> BenchmarkReturns:
    """Check and load a table of date, code, observed, return_1d with one row per date and code."""
    schema = table.collect_schema()
    wrong = [f"{name} ({dtype})" for name, dtype in SCHEMA.items() if not _fits(schema.get(name), dtype)]
    if wrong:
        columns = list_names(f"{name} ({dtype})" for name, dtype in schema.items())
        raise InputError(f"The benchmark returns need the columns {', '.join(wrong)}; they have {columns}.")
    rows = table.select(pl.col(name).cast(dtype) for name, dtype in SCHEMA.items()).collect()
    repeated = len(rows) - rows.select(KEY).n_unique()
    if repeated or rows.select(*KEY, OBSERVED).null_count().sum_horizontal().item():
        raise InputError(
            f"The benchmark returns repeat {repeated} dates and codes, or lack a date, a code or `observed` in a row."
        )
    return BenchmarkReturns(rows)


def _fits(dtype: pl.DataType | None, wanted: pl.DataType) -> bool:
    return dtype == wanted or (dtype is not None and dtype.is_numeric() and wanted == pl.Float32)
