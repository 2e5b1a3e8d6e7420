"""Test the sources: they are never written, and the current day depends on the time zone."""

from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from kedro.io import AbstractDataset, DatasetError

from atft_kedro.datasets import (
    CurrentDayDataset,
    DelistingsDataset,
    ExtraTablesDataset,
    PriceFilesDataset,
    SimulatedMarketDataset,
)
from atft_kedro.params import InputError
from atft_kedro.stages.fingerprint import hash_state


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


def test_another_table_of_delistings_makes_the_stages_that_read_it_stale(tmp_path: Path) -> None:
    path = tmp_path / "delistings.csv"
    path.write_text("date,code,return\n2024-03-01,A,-1\n")
    none, one = DelistingsDataset(path=None), DelistingsDataset(path=str(path))
    states = [hash_state(none), hash_state(one), hash_state(DelistingsDataset(path=str(path), dates={"text": "%F"}))]
    assert (none.load().height, one.load().height) == (0, 1)
    assert none.load().schema == one.load().schema

    path.write_text("date,code,return\n2024-03-01,A,-0.5\n")

    assert len({*states, hash_state(one)}) == 4
    with pytest.raises(InputError, match="The catalog entry of the delistings at x is wrong"):
        DelistingsDataset(path="x", dates={"txt": "%F"})


def test_another_extra_table_or_column_makes_the_stages_that_read_it_stale(tmp_path: Path) -> None:
    folder = tmp_path / "extra"
    pe, both = (ExtraTablesDataset(path=str(folder), columns=names) for names in ({"pe": {}}, ["pe", "cap"]))
    states = [hash_state(pe), hash_state(both)]  # without a folder the columns may be those of prices
    assert (pe.load().names, pe.load().tables) == (("pe",), {})

    folder.mkdir()
    (folder / "table.csv").write_text("code,available_from,pe,cap\nA,2024-03-01,9,1\n")
    states += [hash_state(pe), hash_state(both)]
    assert both.load().tables["table.csv"].columns == ["code", "available_from", "pe", "cap"]
    (folder / "table.csv").write_text("code,available_from,pe,cap\nA,2024-03-01,10,1\n")

    assert len({*states, hash_state(pe)}) == 5
    (folder / "table.csv").write_text("code,available_from,pe,PE\nA,2024-03-01,10,1\n")
    with pytest.raises(DatasetError, match="The tables in .*extra cannot be read to their end: .*duplicate"):
        pe.load()
