"""Doors: what goes in comes out, whole or not at all; the examples in their docstrings work."""

import re
import textwrap
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest
import yaml
from kedro.io import AbstractDataset, DatasetError
from polars.testing import assert_frame_equal

from atft_kedro import datasets
from atft_kedro.datasets import (
    AtomicJSONDataset,
    BenchmarkReturnsDataset,
    CurrentDayDataset,
    PriceFilesDataset,
    SimulatedMarketDataset,
    TableDataset,
)
from atft_kedro.params import InputError

FRAME = pl.DataFrame({"a": [1, 2, 3, 4], "b": ["x", "y", None, "z"], "c": [0.5, None, 1.25, 3.0]})


@pytest.mark.parametrize(
    "data", [FRAME, FRAME.lazy(), iter([FRAME[:1], FRAME[1:]])], ids=["frame", "lazy frame", "iterator"]
)
def test_a_table_comes_out_as_it_went_in(tmp_path: Path, data: Any) -> None:
    table = TableDataset(filepath=str(tmp_path / "new" / "t.parquet"))

    assert not table.exists()
    table.save(data)

    assert table.exists()
    assert_frame_equal(table.load().collect(), FRAME)


def test_a_data_folder_may_have_a_pattern_for_its_name(tmp_path: Path) -> None:
    other = TableDataset(filepath=str(tmp_path / "a1" / "t.parquet"))
    table = TableDataset(filepath=str(tmp_path / "a[1]" / "t.parquet"))
    other.save(FRAME[:1])
    table.save(FRAME)
    labels = {"date": [date(2024, 1, 2)], "code": ["A"], "observed": [True], "return_1d": [0.5]}
    pl.DataFrame(labels).write_parquet(tmp_path / "a[1]" / "labels.parquet")

    assert_frame_equal(table.load().collect(), FRAME)
    assert BenchmarkReturnsDataset(path=str(tmp_path / "a[1]" / "labels.parquet")).load().rows.height == 1


def cut_short() -> Iterator[pl.DataFrame]:
    yield FRAME
    raise RuntimeError("killed")


def test_a_table_cut_short_leaves_the_old_one_and_the_next_save_leaves_nothing_else(tmp_path: Path) -> None:
    table = TableDataset(filepath=str(tmp_path / "t.parquet"))
    table.save(FRAME[:2])

    with pytest.raises(Exception, match="killed"):
        table.save(cut_short())

    assert_frame_equal(table.load().collect(), FRAME[:2])
    table.save(FRAME[:2])  # Polars may create a file once more after it was removed
    assert [file.name for file in tmp_path.iterdir()] == ["t.parquet"]


def test_missing_and_cut_tables_say_so(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    table = TableDataset(filepath=str(path))
    with pytest.raises(DatasetError, match="does not exist") as missing:
        table.load()
    table.save(FRAME)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DatasetError, match="not a complete parquet file"):
        table.load()

    assert isinstance(missing.value.__cause__, InputError)


def test_a_preview_is_plain_data(tmp_path: Path) -> None:
    import json

    table = TableDataset(filepath=str(tmp_path / "t.parquet"))
    table.save(FRAME.with_columns(day=pl.date(2024, 1, 2)))

    preview = table.preview(nrows=2)

    assert preview["columns"] == ["a", "b", "c", "day"]
    assert json.loads(json.dumps(preview))["data"] == [[1, "x", 0.5, "2024-01-02"], [2, "y", None, "2024-01-02"]]


@pytest.mark.parametrize("name", datasets.__all__)
def test_the_yaml_example_in_the_docstring_works(name: str, tmp_path: Path) -> None:
    text = re.split(r"YAML API:\n", getattr(datasets, name).__doc__)[1]
    (entry, config), *_ = yaml.safe_load(textwrap.dedent(text)).items()
    for key in ("path", "filepath"):
        if key in config:
            config[key] = str(tmp_path / config[key])

    dataset = AbstractDataset.from_config(entry, config)

    assert type(dataset).__name__ == name
    if name == "SimulatedMarketDataset":
        assert dataset.load().collect().height == 0  # the example has no market


@pytest.mark.parametrize("source", [PriceFilesDataset(path="x"), SimulatedMarketDataset(market=None)])
def test_sources_are_never_written(source: AbstractDataset) -> None:
    with pytest.raises(DatasetError, match="Nothing is saved"):
        source.save(FRAME)


def test_a_users_own_table_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "mine.parquet"
    FRAME.write_parquet(path)

    with pytest.raises(DatasetError, match="is your own table and is not overwritten"):
        TableDataset(filepath=str(path), read_only=True).save(FRAME[:1])

    assert_frame_equal(pl.read_parquet(path), FRAME)


def test_the_day_matters_to_the_cache_for_live_data_alone() -> None:
    assert CurrentDayDataset(historical=True)._describe() == {"day": "any"}
    assert CurrentDayDataset(historical=False)._describe() == {"day": str(date.today())}


def test_today_is_the_day_of_the_exchange_or_of_a_named_time_zone() -> None:
    west, east = (CurrentDayDataset(historical=False, time_zone=zone).load() for zone in ("Etc/GMT+12", "Etc/GMT-14"))

    assert west < date.today() or east > date.today()
    assert timedelta(days=1) <= east - west <= timedelta(days=2)
    tokyo = CurrentDayDataset(historical=False, calendar="XTKS").load()
    assert tokyo == datetime.now(ZoneInfo("Asia/Tokyo")).date()
    assert CurrentDayDataset(historical=False, calendar="XTKS", time_zone="Etc/GMT+12").load() == west


def test_json_is_written_whole(tmp_path: Path) -> None:
    dataset = AtomicJSONDataset(filepath=str(tmp_path / "new" / "a.json"))
    dataset.save({"a": 1})

    with pytest.raises(DatasetError):
        dataset.save({"a": object()})
    with pytest.raises(DatasetError, match="not JSON compliant"):
        dataset.save({"a": float("nan")})

    assert dataset.load() == {"a": 1}
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["a.json"]
