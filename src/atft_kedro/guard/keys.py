"""Rules on dates and codes: types, duplicates, order, trading days, recency, coverage."""

from datetime import date
from typing import Annotated

import polars as pl
from pydantic import Field

from ..params import TimeZone
from ..schema import CODE, DATE, KEY
from .calendars import WEEKDAYS, count_sessions, sessions
from .dataset import InspectedDataset
from .finding import EXAMPLES, RuleParams, RuleResult, RuleSeverity, rows_at_fault, skip

Share = Annotated[float, Field(ge=0, le=1)]


class WarnParams(RuleParams):
    """A rule that warns unless told otherwise."""

    severity: RuleSeverity = "warn"


class CalendarParams(RuleParams):
    """Which days the market trades: ``weekdays``, or an exchange's code (XNYS, XNAS, XTKS, …)."""

    calendar: str = WEEKDAYS


class MissingDaysParams(WarnParams, CalendarParams):
    """Trading days on which no stock has a row."""


class RecencyParams(CalendarParams):
    """How old the newest day may be: hours counted over trading days; ``historical`` data may be any age.

    ``time_zone`` decides which day is today; null is that of the calendar's exchange, or the machine's.
    """

    time_zone: TimeZone | None = None
    historical: bool = False
    max_age_hours: Annotated[float, Field(gt=0)] = 72


class CoverageParams(WarnParams):
    """The least share of what is usual."""

    min_share: Share = 0.7


def check_columns(data: InspectedDataset, params: RuleParams) -> RuleResult:
    """Need at least one feature, and no key that is null; targets are needed where something is trained."""
    nulls = data.keys.filter(pl.any_horizontal(pl.col(KEY).is_null()))
    if not data.features:
        return RuleResult(
            message="the dataset has no feature column",
            count=1,
            columns=["feature"],
            advice=("Features are float columns. Map or convert them.",),
        )
    return rows_at_fault("rows without date or code", nulls, list(KEY), "Remove them from the source.")


def check_unused(data: InspectedDataset, params: WarnParams) -> RuleResult:
    """Name what will not be used, so that a feature of the wrong type does not vanish unseen."""
    if not data.unused:
        return RuleResult(message="every column has a role")
    return RuleResult(
        message=f"columns that are no floats and have no role: {len(data.unused)}",
        count=len(data.unused),
        columns=data.unused,
        rows=[{"column": name, "type": str(data.schema[name])} for name in data.unused[: 4 * EXAMPLES]],
        advice=("Convert them to floats to make them features, or list them under columns.ignore.",),
    )


def check_duplicates(data: InspectedDataset, params: RuleParams) -> RuleResult:
    """Allow one row per (date, code)."""
    unique = data.keys.select(pl.struct(KEY).n_unique()).item()
    again = data.keys.clear() if unique == data.keys.height else data.keys.filter(data.keys.is_duplicated()).sort(KEY)
    return rows_at_fault("rows that share their date and code", again, list(KEY), "Keep one row per (date, code).")


def check_order(data: InspectedDataset, params: WarnParams) -> RuleResult:
    """Expect each stock's dates to ascend in the file."""
    back = data.keys.filter(pl.col(DATE).diff().over(CODE) < pl.duration(days=0))
    return rows_at_fault("rows older than the one before them", back, [DATE], "Sort the dataset by date.")


def check_closed_days(data: InspectedDataset, params: CalendarParams) -> RuleResult:
    """Allow rows on trading days only."""
    days = data.days.filter(~pl.col(DATE).is_in(_sessions(data, params.calendar).implode()))
    advice = (
        f"{params.calendar!r} does not trade then: name its calendar (guard.closed_days.calendar) or mend the dates."
    )
    return rows_at_fault("days on which the market is closed", days, [DATE], advice)


def check_missing_days(data: InspectedDataset, params: MissingDaysParams) -> RuleResult:
    """Expect some rows on every trading day."""
    listed = _sessions(data, params.calendar)
    absent = listed.filter(~listed.is_in(data.days[DATE].implode())).to_frame(DATE)
    advice = "Load them, or name the exchange's calendar, which knows its holidays (guard.missing_days.calendar)."
    return rows_at_fault("trading days without any row", absent, [DATE], advice)


def check_future(data: InspectedDataset, params: RuleParams, newest: date) -> RuleResult:
    """Allow no day after today."""
    late = data.days.filter(pl.col(DATE) > newest)
    return rows_at_fault("days after today", late, [DATE], "Nobody can know them: correct the dates.")


def check_recency(data: InspectedDataset, params: RecencyParams, newest: date) -> RuleResult:
    """Expect live data to be fresh."""
    last = data.days[DATE].max()
    assert isinstance(last, date)
    if params.historical:
        return skip(f"historical data may be any age; the newest day is {last}")
    age = 24 * count_sessions(params.calendar, last, newest) if last < newest else 0
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
    """Expect a day to hold about as many stocks as its month."""
    usual = pl.col("stocks").rolling_median(21, min_samples=5, center=True)
    thin = data.days.with_columns(usual.alias("usual")).filter(pl.col("stocks") < params.min_share * pl.col("usual"))
    return rows_at_fault("days with far fewer stocks than usual", thin, [CODE], "Load what is missing on these days.")


def check_stock_coverage(data: InspectedDataset, params: CoverageParams) -> RuleResult:
    """Expect a stock to be there on most days between its first and its last."""
    place = data.days.select(DATE).with_row_index("place")
    span = (pl.col("place").max().cast(pl.Int64) - pl.col("place").min().cast(pl.Int64) + 1).alias("days")
    stocks = data.keys.join(place, on=DATE).group_by(CODE).agg(pl.len().alias("rows"), span).sort(CODE)
    holed = stocks.filter(pl.col("rows") < params.min_share * pl.col("days"))
    return rows_at_fault(
        "stocks that miss many of their days", holed, [DATE], "Load what is missing, or leave them out."
    )


def _sessions(data: InspectedDataset, calendar: str) -> pl.Series:
    first, last = data.days[DATE].min(), data.days[DATE].max()
    assert isinstance(first, date)
    assert isinstance(last, date)
    return sessions(calendar, first, last)
