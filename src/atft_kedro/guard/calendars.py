"""Trading days of an exchange or all weekdays, and the current day of a time zone."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

from ..params import InputError

WEEKDAYS = "weekdays"


def sessions(calendar: str, first: date, last: date) -> pl.Series:
    """List the trading days from ``first`` to ``last``, both included.

    ``calendar`` is ``weekdays`` or an exchange's code in the package exchange_calendars (XNYS, XTKS, …).
    """
    if calendar == WEEKDAYS:
        days = np.arange(np.datetime64(first), np.datetime64(last) + 1)
        return pl.Series("date", days[np.is_busday(days)])
    package = _import_calendars(calendar)
    try:
        end = last + timedelta(days=1)  # the package requires an end after the start
        trading_days = package.get_calendar(calendar, start=str(first), end=str(end)).sessions
    except package.errors.NoSessionsError:
        return pl.Series("date", [], pl.Date)
    except ValueError as error:
        raise InputError(f"The calendar {calendar!r} does not cover {first} to {last}: {error}") from error
    found = pl.Series("date", trading_days.to_numpy().astype("datetime64[D]"))
    return found.filter(found <= last)


def count_sessions(calendar: str, first: date, last: date) -> int:
    """Count the trading days after ``first`` up to and including ``last``."""
    return int((sessions(calendar, first, last) > first).sum())


def current_day(calendar: str, time_zone: str | None) -> date:
    """Return the date in ``time_zone``; null: the exchange's, or the machine's for weekdays."""
    if time_zone is None and calendar != WEEKDAYS:
        return datetime.now(_import_calendars(calendar).get_calendar(calendar).tz).date()
    return datetime.now(ZoneInfo(time_zone) if time_zone else None).date()


def last_finished_day(calendar: str, time_zone: str | None, now: datetime | None = None) -> date:
    """Return the newest day whose trading is over.

    Before the exchange's close that is the day before. The close of ``weekdays`` is not known: the current day counts.
    """
    day = now.date() if now is not None else current_day(calendar, time_zone)
    if calendar == WEEKDAYS:
        return day
    moment = (now or datetime.now(UTC)).astimezone(UTC)
    exchange = _import_calendars(calendar).get_calendar(calendar)
    candidates: list[date] = sessions(calendar, day - timedelta(days=1), day).to_list()
    for session in candidates:  # two, because the time zone can be ahead of the exchange's
        if moment < exchange.session_close(str(session)).to_pydatetime():
            return session - timedelta(days=1)
    return day


def _import_calendars(calendar: str) -> Any:
    """Import the package of exchange calendars, which takes a second; refuse an unknown calendar."""
    import exchange_calendars

    known = exchange_calendars.get_calendar_names(include_aliases=True)
    if calendar not in known:
        raise InputError(f"Unknown calendar {calendar!r}: use {WEEKDAYS!r} or one of {', '.join(sorted(known))}.")
    return exchange_calendars
