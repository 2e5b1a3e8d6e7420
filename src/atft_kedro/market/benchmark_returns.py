"""Labels that a benchmark fixes: whom it asks about on which days, and what the next day brought."""

import logging
from dataclasses import dataclass

import numpy as np
import polars as pl

from ..params import InputError, list_names
from ..schema import CODE, DATE, ELIGIBLE, KEY, target

OBSERVED, RETURN = "observed", "return_1d"
SCHEMA = pl.Schema({DATE: pl.Date, CODE: pl.String, OBSERVED: pl.Boolean, RETURN: pl.Float32})
NEXT_DAY = target(1)
ASKED, CAME = "asked", "came"

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Labels:
    """A row for each label's day and code: was the stock observed, and its return since the trading day before.

    On that day before a forecast is asked for. Without rows nobody fixes anything.
    """

    rows: pl.DataFrame

    @property
    def days(self) -> np.ndarray:
        """List the days whose returns are asked for."""
        return self.rows[DATE].unique().sort().to_numpy()

    def admit(self, universe: pl.DataFrame) -> pl.DataFrame:
        """Forecast none but the labels' stocks, and on the labels' days only those that were observed."""
        if self.rows.is_empty():
            return universe
        seen = self.rows.select(*KEY, pl.col(OBSERVED).alias(ASKED))
        labelled = pl.col(DATE).is_between(self.rows[DATE].min(), self.rows[DATE].max())
        is_asked = pl.col(CODE).is_in(self.rows[CODE].unique().implode()) & (
            ~labelled | pl.col(ASKED).fill_null(value=False)
        )
        admitted = universe.join(seen, on=KEY, how="left", maintain_order="left").select(
            *KEY, pl.col(ELIGIBLE) & is_asked
        )
        if not admitted[ELIGIBLE].any():
            raise InputError("The labels ask about no stock of the prices: are their codes the same?")
        _logger.info("labels: %d of %d forecasts are asked for", admitted[ELIGIBLE].sum(), universe[ELIGIBLE].sum())
        return admitted

    def answer(self, trading_days: pl.Series, entry_lag: int) -> "Answers":
        """Say what came after each forecast day; null where the stock was not observed on both days."""
        if entry_lag:
            raise InputError(f"features.entry_lag is {entry_lag}: the labels are returns from a forecast's own close.")
        known = trading_days.unique().sort().to_frame(DATE)
        days = pl.DataFrame({"day": self.rows[DATE].unique().sort()})
        self._require_days(known[DATE])
        calendar = days.join_asof(
            known, left_on="day", right_on=DATE, strategy="backward", allow_exact_matches=False
        ).drop_nulls()
        before = self.rows.select(*KEY, pl.col(OBSERVED).alias("before"))
        both = (
            self.rows.rename({DATE: "day"})
            .join(calendar, on="day")
            .join(before, on=KEY)  # the first day's return is of a close that no label vouches for
            .select(*KEY, pl.when(pl.col(OBSERVED) & pl.col("before")).then(RETURN).alias(CAME))
        )
        return Answers(both)

    def _require_days(self, known: pl.Series) -> None:
        """Refuse labels of days that the prices lack: they would be a second answer for the day before."""
        lacking = self.rows.filter(~pl.col(DATE).is_in(known.implode())).sort(KEY)
        if lacking.is_empty():
            return
        days = lacking[DATE].unique().sort()
        first, last = known.sort().gather([0, -1])
        if days[0] > last:
            raise InputError(
                f"The labels end on {days[-1]}, after the last day of the prices, {last}: give prices up to that day, "
                "or cut the labels there."
            )
        shown = list_names(f"{code} on {day}" for day, code in lacking.select(KEY).iter_rows())
        raise InputError(
            f"{lacking.height} labels are of {len(days)} days that the prices ({first} to {last}) lack: {shown}. "
            "A label is the return on a trading day of the prices: remove these, or give the prices of these days."
        )


@dataclass(frozen=True)
class Answers:
    """What came after each forecast that labels ask for: date, code, came."""

    rows: pl.DataFrame

    def put_into(self, dataset: pl.DataFrame) -> pl.DataFrame:
        """Let the labels say what the next day brought, where they do."""
        told = self.rows.with_columns(pl.lit(value=True).alias(ASKED))
        came = pl.when(ASKED).then(CAME).otherwise(NEXT_DAY).alias(NEXT_DAY)
        return dataset.join(told, on=KEY, how="left", maintain_order="left").with_columns(came).drop(ASKED, CAME)


def read_labels(table: pl.LazyFrame) -> Labels:
    """Take a table of labels: date, code, observed, return_1d, each date and code once."""
    schema = table.collect_schema()
    wrong = [f"{name} ({kind})" for name, kind in SCHEMA.items() if not _fits(schema.get(name), kind)]
    if wrong:
        there = list_names(f"{name} ({kind})" for name, kind in schema.items())
        raise InputError(f"The labels need the columns {', '.join(wrong)}; they have {there}.")
    rows = table.select(pl.col(name).cast(kind) for name, kind in SCHEMA.items()).collect()
    twice = len(rows) - rows.select(KEY).n_unique()
    if twice or rows.select(*KEY, OBSERVED).null_count().sum_horizontal().item():
        raise InputError(f"The labels repeat {twice} dates and codes, or lack a date, a code or `observed` somewhere.")
    return Labels(rows)


def _fits(has: pl.DataType | None, wanted: pl.DataType) -> bool:
    return has == wanted or (has is not None and has.is_numeric() and wanted == pl.Float32)
