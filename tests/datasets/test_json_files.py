"""Test JSON files, and the figure of the split."""

from pathlib import Path

import numpy as np
import pytest
from kedro.io import DatasetError

from atft_kedro.datasets import (
    AtomicJSONDataset,
)
from atft_kedro.datasets.json_files import SplitDataset
from atft_kedro.panel.split import SplitParams, split_days
from factories.params import make_params


def test_json_is_written_completely_or_not_at_all(tmp_path: Path) -> None:
    dataset = AtomicJSONDataset(filepath=str(tmp_path / "new" / "a.json"))
    dataset.save({"a": 1})

    with pytest.raises(DatasetError):
        dataset.save({"a": object()})
    with pytest.raises(DatasetError, match="not JSON compliant"):
        dataset.save({"a": float("nan")})

    assert dataset.load() == {"a": 1}
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["a.json"]


def test_a_split_is_saved_and_previewed_as_a_figure(tmp_path: Path) -> None:
    days = np.arange("2020-01-01", "2021-01-01", dtype="datetime64[D]")
    split = split_days(days, make_params(SplitParams, embargo_days=0), 20)
    dataset = SplitDataset(filepath=str(tmp_path / "split.json"))
    dataset.save(split)

    assert dataset.load() == split
    assert {"train", "validation", "test"} <= {trace["name"] for trace in dataset.preview()["data"]}


def test_a_missing_or_damaged_model_is_refused_with_its_file(tmp_path: Path) -> None:
    dataset = SplitDataset(filepath=str(tmp_path / "split.json"))
    with pytest.raises(DatasetError, match="split.json does not exist"):
        dataset.load()
    (tmp_path / "split.json").write_text("{}")
    with pytest.raises(DatasetError, match=r"split.json was written by another version.*stages names"):
        dataset.load()
