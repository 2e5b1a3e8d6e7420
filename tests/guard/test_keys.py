"""Age of the newest day, and trading days of an exchange."""

from datetime import timedelta

import polars as pl
import pytest

from atft_kedro.params import InputError
from factories.guard_reports import HISTORICAL, TODAY, get_check, inspect


@pytest.mark.parametrize(
    ("age", "allowed", "severity"),
    [(0, 72, "ok"), (3, 24, "ok"), (3, 23, "error"), (5, 72, "ok"), (6, 72, "error")],
)
def test_recency_counts_trading_days(ml_dataset: pl.DataFrame, age: int, allowed: float, severity: str) -> None:
    """Today is a Monday: three days back is Friday, one trading day; five is Wednesday, three; six is Tuesday."""
    shift = TODAY - timedelta(days=age) - ml_dataset["date"].max()
    recent = ml_dataset.with_columns(pl.col("date") + shift)
    off = {"closed_days": {"severity": "off"}, "recency": {"historical": False, "max_age_hours": allowed}}

    assert get_check(inspect(recent, off), "recency")["severity"] == severity


def test_an_exchanges_calendar_knows_its_holidays(ml_dataset: pl.DataFrame) -> None:
    exchange = HISTORICAL | {"closed_days": {"calendar": "XNYS"}, "missing_days": {"calendar": "XNYS"}}

    report = inspect(ml_dataset, exchange)  # the simulated market trades on holidays

    assert get_check(report, "closed_days")["severity"] == "error"
    assert "2016-01-18" in get_check(report, "closed_days")["dates"]  # Martin Luther King Jr. Day
    with pytest.raises(InputError, match="Unknown calendar 'MARS'"):
        inspect(ml_dataset, HISTORICAL | {"closed_days": {"calendar": "MARS"}})
