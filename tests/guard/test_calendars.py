"""Trading days of an exchange."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest

from atft_kedro.guard.calendars import count_sessions, last_finished_day, sessions
from factories.guard_reports import TODAY


@pytest.mark.parametrize(("first", "last"), [(1, 2), (2, 2)])
def test_a_weekend_has_no_sessions(first: int, last: int) -> None:
    days = date(2024, 6, first), date(2024, 6, last)  # Saturday and Sunday

    assert count_sessions("XNYS", *days) == count_sessions("weekdays", *days) == 0
    assert sessions("XNYS", TODAY, TODAY).to_list() == [TODAY]


@pytest.mark.parametrize(
    ("now", "day"),
    [
        ("2024-06-14 15:59", date(2024, 6, 13)),  # a Friday, one minute before the close
        ("2024-06-14 16:00", date(2024, 6, 14)),
        ("2024-06-15 10:00", date(2024, 6, 15)),  # no trading follows on a Saturday
        ("2024-07-03 13:30", date(2024, 7, 3)),  # trading ends at 13:00 before the holiday
    ],
)
def test_a_day_is_finished_at_the_close_of_its_exchange(now: str, day: date) -> None:
    local = datetime.fromisoformat(now).replace(tzinfo=ZoneInfo("America/New_York"))

    assert last_finished_day("XNYS", None, local) == day


def test_tokyo_has_finished_its_day_when_new_york_has_not_begun() -> None:
    now = datetime(2024, 6, 14, 17, tzinfo=ZoneInfo("Asia/Tokyo"))

    assert last_finished_day("XTKS", None, now) == date(2024, 6, 14)
    assert last_finished_day("XNYS", None, now.astimezone(ZoneInfo("America/New_York"))) == date(2024, 6, 13)
    later = datetime(2024, 6, 13, 4, tzinfo=ZoneInfo("Asia/Tokyo"))  # New York trades until 5:00 there
    assert last_finished_day("XNYS", "Asia/Tokyo", later) == date(2024, 6, 11)
    assert last_finished_day("XNYS", "Asia/Tokyo", later.replace(hour=5)) == date(2024, 6, 12)


def test_the_close_of_weekdays_is_not_known() -> None:
    assert last_finished_day("weekdays", None, datetime(2024, 6, 14, 0, 1)) == date(2024, 6, 14)
