"""Test tables: they are written completely or not at all, and read lazily."""

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from kedro.io import DatasetError
from polars.testing import assert_frame_equal

from atft_kedro.datasets import (
    BenchmarkReturnsDataset,
    TableDataset,
)
from atft_kedro.params import InputError

FRAME = pl.DataFrame({"a": [1, 2, 3, 4], "b": ["x", "y", None, "z"], "c": [0.5, None, 1.25, 3.0]})


@pytest.mark.parametrize(
    "data", [FRAME, FRAME.lazy(), iter([FRAME[:1], FRAME[1:]])], ids=["frame", "lazy frame", "iterator"]
)
def test_a_saved_table_is_loaded_unchanged(tmp_path: Path, data: Any) -> None:
    table = TableDataset(filepath=str(tmp_path / "new" / "t.parquet"))

    assert not table.exists()
    table.save(data)

    assert table.exists()
    assert_frame_equal(table.load().collect(), FRAME)


def test_a_folder_name_may_look_like_a_pattern(tmp_path: Path) -> None:
    other = TableDataset(filepath=str(tmp_path / "a1" / "t.parquet"))
    table = TableDataset(filepath=str(tmp_path / "a[1]" / "t.parquet"))
    other.save(FRAME[:1])
    table.save(FRAME)
    labels = {"date": [date(2024, 1, 2)], "code": ["A"], "observed": [True], "return_1d": [0.5]}
    pl.DataFrame(labels).write_parquet(tmp_path / "a[1]" / "labels.parquet")

    assert_frame_equal(table.load().collect(), FRAME)
    assert BenchmarkReturnsDataset(path=str(tmp_path / "a[1]" / "labels.parquet")).load().rows.height == 1


def interrupted_frames() -> Iterator[pl.DataFrame]:
    yield FRAME
    raise RuntimeError("killed")


def test_an_interrupted_save_keeps_the_old_table_and_leaves_no_other_file(tmp_path: Path) -> None:
    table = TableDataset(filepath=str(tmp_path / "t.parquet"))
    table.save(FRAME[:2])

    with pytest.raises(Exception, match="killed"):
        table.save(interrupted_frames())

    assert_frame_equal(table.load().collect(), FRAME[:2])
    table.save(FRAME[:2])  # Polars may create a file once more after it was removed
    assert [file.name for file in tmp_path.iterdir()] == ["t.parquet"]


def test_an_iterator_without_frames_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="without any frame"):
        TableDataset(filepath=str(tmp_path / "t.parquet")).save(iter([]))

    assert not list(tmp_path.iterdir())


def test_missing_and_incomplete_tables_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    table = TableDataset(filepath=str(path))
    with pytest.raises(DatasetError, match="does not exist") as missing:
        table.load()
    table.save(FRAME)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DatasetError, match="cannot be read as a parquet file"):
        table.load()

    assert isinstance(missing.value.__cause__, InputError)


def test_a_preview_is_plain_data(tmp_path: Path) -> None:
    table = TableDataset(filepath=str(tmp_path / "t.parquet"))
    table.save(FRAME.with_columns(day=pl.date(2024, 1, 2)))

    preview = table.preview(nrows=2)

    assert preview["columns"] == ["a", "b", "c", "day"]
    assert json.loads(json.dumps(preview))["data"] == [[1, "x", 0.5, "2024-01-02"], [2, "y", None, "2024-01-02"]]


def test_a_users_own_table_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "own.parquet"
    FRAME.write_parquet(path)

    with pytest.raises(DatasetError, match="is your own table and is not overwritten"):
        TableDataset(filepath=str(path), read_only=True).save(FRAME[:1])

    assert_frame_equal(pl.read_parquet(path), FRAME)
