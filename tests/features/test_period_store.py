"""Rows come out as they went in, whether they waited in memory or on disk; the disk is left clean."""

import tempfile
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from atft_kedro.features.period_store import PeriodStore

PIECES = [("b", pl.DataFrame({"x": [1]})), ("a", pl.DataFrame({"x": [2, 3]})), ("b", pl.DataFrame({"x": [4]}))]


@pytest.mark.parametrize("in_memory", [True, False])
def test_pieces_of_a_period_come_out_together_in_their_order(
    in_memory: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path /= "scratch[1]"  # a name, not a pattern
    tmp_path.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with PeriodStore(in_memory=in_memory) as store:
        for period, rows in PIECES:
            store.put(period, rows)

        assert store.periods() == ["a", "b"]
        assert_frame_equal(store.pop("b").collect(), pl.DataFrame({"x": [1, 4]}))
        assert bool(list(tmp_path.iterdir())) != in_memory

    assert list(tmp_path.iterdir()) == []


def test_an_error_in_between_leaves_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    with pytest.raises(RuntimeError, match="stop"), PeriodStore(in_memory=False) as store:
        store.put(*PIECES[0])
        raise RuntimeError("stop")

    assert list(tmp_path.iterdir()) == []
