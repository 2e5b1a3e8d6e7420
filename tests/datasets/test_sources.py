"""Test the sources: they are never written, and the current day depends on the time zone."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from kedro.io import AbstractDataset, DatasetError

from atft_kedro.datasets import (
    CurrentDayDataset,
    PriceFilesDataset,
    SimulatedMarketDataset,
)


@pytest.mark.parametrize("source", [PriceFilesDataset(path="x"), SimulatedMarketDataset(market=None)])
def test_sources_are_never_written(source: AbstractDataset) -> None:
    with pytest.raises(DatasetError, match="Nothing is saved"):
        source.save(pl.DataFrame({"a": [1]}))


def test_the_current_day_makes_stages_stale_only_for_live_data() -> None:
    assert CurrentDayDataset(historical=True)._describe() == {"day": "any"}
    assert CurrentDayDataset(historical=False)._describe() == {"day": str(date.today())}


def test_the_current_day_is_that_of_the_exchange_or_of_a_time_zone() -> None:
    west, east = (CurrentDayDataset(historical=False, time_zone=zone).load() for zone in ("Etc/GMT+12", "Etc/GMT-14"))

    assert west < date.today() or east > date.today()
    assert timedelta(days=1) <= east - west <= timedelta(days=2)
    tokyo = CurrentDayDataset(historical=False, calendar="XTKS").load()
    assert tokyo == datetime.now(ZoneInfo("Asia/Tokyo")).date()
    assert CurrentDayDataset(historical=False, calendar="XTKS", time_zone="Etc/GMT+12").load() == west
