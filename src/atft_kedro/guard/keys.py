"""Rules for dates and codes: types, duplicates, order, trading days, recency, coverage."""

from datetime import date
from typing import Annotated

import polars as pl
from pydantic import Field

from ..params import TimeZone
from ..schema import CODE, DATE, KEY
from .calendars import count_sessions, sessions
from .dataset import InspectedDataset
from .rule import MAX_COLUMNS, RuleParams, RuleResult, Share, report_rows, report_skipped


class CalendarParams(RuleParams):
    """Trading days: ``weekdays``, or an exchange's code (XNYS, XNAS, XTKS, …)."""

    calendar: str


class RecencyParams(CalendarParams):
    """Maximum age of the newest day; ``historical`` data may have any age.

    A trading day counts as 24 hours.
    Today is the day in ``time_zone``; null is the exchange's time zone, or the machine's for ``weekdays``.
    """

    time_zone: TimeZone | None
    historical: bool
    max_age_hours: Annotated[float, Field(gt=0)]


class CoverageParams(RuleParams):
    """Minimum number of rows, as a share of the usual number."""

    min_share: Share


def check_columns(data: InspectedDataset, params: RuleParams) -> RuleResult:
    """Require a feature and no null keys; targets are required only for training."""
    nulls = data.keys.filter(pl.any_horizontal(pl.col(KEY).is_null()))
    if not data.features:
        return RuleResult(
            message="the dataset has no feature column",
            count=1,
            columns=["feature"],
            advice=("Features are float columns. Map or convert them.",),
        )
    return report_rows("rows without date or code", nulls, list(KEY), "Remove them from the source.")


def check_unused(data: InspectedDataset, params: RuleParams) -> RuleResult:
    """Find columns without a role, such as features that are not floats."""
    if not data.columns_without_role:
        return RuleResult(message="every column is used")
    return RuleResult(
        message=f"columns that are not floats and not used: {len(data.columns_without_role)}",
        count=len(data.columns_without_role),
        columns=data.columns_without_role,
        rows=[{"column": name, "type": str(data.schema[name])} for name in data.columns_without_role[:MAX_COLUMNS]],
        advice=("Convert them to floats to make them features, or list them under columns.ignore.",),
    )


def check_duplicates(data: InspectedDataset, params: RuleParams) -> RuleResult:
    """Require one row per (date, code)."""
    has_duplicates = data.keys.select(pl.struct(KEY).n_unique()).item() < data.keys.height
    rows = data.keys.filter(data.keys.is_duplicated()).sort(KEY) if has_duplicates else data.keys.clear()
    return report_rows("rows that share their date and code", rows, list(KEY), "Keep one row per (date, code).")


def check_order(data: InspectedDataset, params: RuleParams) -> RuleResult:
    """Require ascending dates of each stock in the file."""
    rows = data.keys.filter(pl.col(DATE).diff().over(CODE) < pl.duration(days=0))
    return report_rows("rows older than the row before", rows, [DATE], "Sort the dataset by date.")


def check_closed_days(data: InspectedDataset, params: CalendarParams) -> RuleResult:
    """Require that all rows are on trading days."""
    days = data.days.filter(~pl.col(DATE).is_in(_sessions(data, params.calendar).implode()))
    advice = (
        f"{params.calendar!r} has no trading then: set the calendar (guard.closed_days.calendar) or correct the dates."
    )
    return report_rows("days on which the market is closed", days, [DATE], advice)


def check_missing_days(data: InspectedDataset, params: CalendarParams) -> RuleResult:
    """Require rows on every trading day."""
    trading_days = _sessions(data, params.calendar)
    missing = trading_days.filter(~trading_days.is_in(data.days[DATE].implode())).to_frame(DATE)
    advice = "Load them, or set the exchange's calendar, which has its holidays (guard.missing_days.calendar)."
    return report_rows("trading days without any row", missing, [DATE], advice)


def check_future(data: InspectedDataset, params: RuleParams, today: date) -> RuleResult:
    """Require that no day is in the future, or today before the exchange's close."""
    days = data.days.filter(pl.col(DATE) > today)
    return report_rows("days in the future or before their close", days, [DATE], "Correct or remove them.")


def check_recency(data: InspectedDataset, params: RecencyParams, today: date) -> RuleResult:
    """Require a recent newest day, unless the data is historical."""
    last = data.days[DATE].max()
    assert isinstance(last, date)
    if params.historical:
        return report_skipped(f"historical data may have any age; the newest day is {last}")
    age = 24 * count_sessions(params.calendar, last, today) if last < today else 0
    if age <= params.max_age_hours:
        return RuleResult(message=f"the newest day is {last}, {age} trading hours old")
    return RuleResult(
        message=f"the newest day, {last}, is {age} trading hours old",
        count=1,
        columns=[DATE],
        dates=[str(last)],
        advice=(
            f"Load newer data, raise guard.recency.max_age_hours ({params.max_age_hours:g}), "
            "or set guard.recency.historical: true.",
        ),
    )


def check_day_coverage(data: InspectedDataset, params: CoverageParams) -> RuleResult:
    """Require about as many stocks on a day as in the month around it."""
    usual = pl.col("stocks").rolling_median(21, min_samples=5, center=True)
    days = data.days.with_columns(usual.alias("usual")).filter(pl.col("stocks") < params.min_share * pl.col("usual"))
    return report_rows("days with far fewer stocks than usual", days, [CODE], "Load the missing rows of these days.")


def check_stock_coverage(data: InspectedDataset, params: CoverageParams) -> RuleResult:
    """Require rows on most days between a stock's first and last day."""
    day_index = data.days.select(DATE).with_row_index("day")
    first, last = pl.col("day").min().cast(pl.Int64), pl.col("day").max().cast(pl.Int64)
    rows_and_days = (pl.len().alias("rows"), (last - first + 1).alias("days"))
    stocks = data.keys.join(day_index, on=DATE).group_by(CODE).agg(rows_and_days).sort(CODE)
    sparse = stocks.filter(pl.col("rows") < params.min_share * pl.col("days"))
    return report_rows(
        "stocks without rows on many of their days", sparse, [DATE], "Load the missing rows, or remove the stocks."
    )


def _sessions(data: InspectedDataset, calendar: str) -> pl.Series:
    first, last = data.days[DATE].min(), data.days[DATE].max()
    assert isinstance(first, date)
    assert isinstance(last, date)
    return sessions(calendar, first, last)
