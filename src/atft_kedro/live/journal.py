"""The journal: every live forecast in append-only parquet files, one for each day, role and revision."""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import polars as pl

from ..evaluation.forecast_table import open_table
from ..evaluation.quantiles import quantile_levels
from ..export.champion import Role
from ..export.model_card import ModelCard
from ..files import atomic_write
from ..locks import wait_for_lock
from ..schema import CLOSE, CODE, DATE, FORECAST, HORIZON, RANK

MADE_AT, KNOWN_UNTIL, RUN, ROLE = "made_at", "known_until", "run", "role"
INPUT_HASH, REVISION = "input_hash", "revision"
ROW = (CODE, HORIZON)
FORECAST_TOLERANCE = 1e-5  # forecasts that differ by less are the same: kernels round differently

_logger = logging.getLogger(__name__)


def make_entries(
    dataset: pl.LazyFrame, forecasts: pl.DataFrame, card: ModelCard, role: Role, made_at: datetime
) -> pl.DataFrame:
    """Add the time, newest known day, run, role, close and hash of the inputs to forecasts."""
    days = forecasts[DATE].unique().sort()
    dates = dataset.select(pl.col(DATE).unique().sort()).collect()[DATE]
    hashes = [hash_inputs(dataset, card.inputs.columns, dates, day, card.network.lookback) for day in days]
    has_close = CLOSE in dataset.collect_schema()
    close = pl.col(CLOSE).cast(pl.Float64) if has_close else pl.lit(None, pl.Float64).alias(CLOSE)
    closes = dataset.filter(pl.col(DATE).is_in(days.to_list())).select(DATE, CODE, close).collect()
    table = forecasts.join(closes, on=[DATE, CODE], how="left", maintain_order="left")
    table = table.join(pl.DataFrame({DATE: days, INPUT_HASH: hashes}), on=DATE, how="left", maintain_order="left")
    origin = (
        pl.lit(made_at).dt.cast_time_unit("us").alias(MADE_AT),
        pl.lit(dates[-1]).alias(KNOWN_UNTIL),
        pl.lit(card.run).alias(RUN),
        pl.lit(role).alias(ROLE),
    )
    quantiles = quantile_levels(forecasts.columns)
    return table.select(DATE, *origin, *ROW, FORECAST, *quantiles, RANK, CLOSE, INPUT_HASH)


def hash_inputs(dataset: pl.LazyFrame, columns: Sequence[str], dates: pl.Series, day: date, lookback: int) -> str:
    """Hash the model's columns of the last ``lookback`` days up to a day."""
    first = dates.filter(dates <= day).tail(lookback)[0]
    rows = dataset.filter(pl.col(DATE).is_between(first, day)).select(columns).sort(DATE, CODE).collect()
    digest = hashlib.sha256()
    for column in rows.iter_columns():
        if column.dtype.is_numeric():
            digest.update(column.cast(pl.Float32).fill_null(float("nan")).to_numpy().tobytes())
        else:
            digest.update("\n".join(column.cast(pl.String).fill_null("").to_list()).encode())
    return digest.hexdigest()[:16]


@dataclass(frozen=True)
class Journal:
    """The folder of the journal's files. No file is ever changed or removed."""

    folder: Path

    def append(self, entries: pl.DataFrame) -> list[Path]:
        """Write a file for each day and role, unless the inputs have not changed.

        Changed inputs or another run make a new revision. A file is written completely or not at all, so a later call
        with the same entries completes what a killed process has begun.
        """
        with wait_for_lock(self.folder / ".lock"):
            written = [self._append_day(rows) for rows in entries.partition_by(DATE, ROLE, maintain_order=True)]
        return [path for path in written if path is not None]

    def _append_day(self, rows: pl.DataFrame) -> Path | None:
        day, role = rows[DATE][0], rows[ROLE][0]
        earlier = sorted(self.folder.glob(f"{day}_{role}_*.parquet"))
        if earlier and _is_same(open_table(earlier[-1]).collect(), rows):
            _logger.info("the journal has the forecasts of the %s for %s already", role, day)
            return None
        path = self.folder / f"{day}_{role}_{len(earlier) + 1:03d}.parquet"
        with atomic_write(path) as partial:
            rows.with_columns(pl.lit(len(earlier) + 1, pl.Int16).alias(REVISION)).write_parquet(partial)
        if earlier:
            _logger.warning("the forecasts of the %s for %s changed: revision %d", role, day, len(earlier) + 1)
        return path

    def read(self) -> pl.DataFrame:
        """Read all revisions of all days; empty without any."""
        tables = [open_table(path).collect() for path in sorted(self.folder.glob("*.parquet"))]
        return pl.concat(tables, how="diagonal") if tables else pl.DataFrame()


def _is_same(earlier: pl.DataFrame, rows: pl.DataFrame) -> bool:
    """Check whether two entries are of the same run, inputs and forecasts."""
    if any(earlier[name][0] != rows[name][0] for name in (RUN, INPUT_HASH)) or len(earlier) != len(rows):
        return False
    values = [FORECAST, *quantile_levels(rows.columns)]
    if not {*values} <= {*earlier.columns}:
        return False
    both = earlier.join(rows, on=ROW)
    gaps = both.select((pl.col(name) - pl.col(f"{name}_right")).abs().max() for name in values).row(0)
    return len(both) == len(rows) and all(gap is not None and gap <= FORECAST_TOLERANCE for gap in gaps)


def select_live_revisions(journal: pl.DataFrame) -> pl.DataFrame:
    """Select for each day and role the newest revision made on the day of the first one.

    Forecasts that were made when a later day was known, or revised on a later day, do not count as live.
    """
    made_on = pl.col(MADE_AT).dt.date()
    newest_day = journal.filter(pl.col(DATE) == pl.col(KNOWN_UNTIL))
    on_first_day = newest_day.filter(made_on == made_on.min().over(DATE, ROLE))
    return on_first_day.filter(pl.col(REVISION) == pl.col(REVISION).max().over(DATE, ROLE))
