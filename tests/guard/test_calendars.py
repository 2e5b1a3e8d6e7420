"""Trading days of an exchange."""

from datetime import date

import pytest

from atft_kedro.guard.calendars import count_sessions, sessions
from factories.guard_reports import TODAY


@pytest.mark.parametrize(("first", "last"), [(1, 2), (2, 2)])
def test_a_weekend_has_no_sessions(first: int, last: int) -> None:
    days = date(2024, 6, first), date(2024, 6, last)  # Saturday and Sunday

    assert count_sessions("XNYS", *days) == count_sessions("weekdays", *days) == 0
    assert sessions("XNYS", TODAY, TODAY).to_list() == [TODAY]
