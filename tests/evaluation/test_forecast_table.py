"""Test tables of forecasts."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from atft_kedro.evaluation.forecast_table import FORECAST_KEYS, add_forecaster, open_table
from atft_kedro.params import InputError

TABLE = pl.DataFrame({"date": [date(2024, 1, 1)], "code": ["A"], "split": ["test"], "horizon": [1], "forecast": [0.5]})


def test_a_forecasters_table_has_its_name_and_the_keys() -> None:
    named = add_forecaster("ridge", TABLE.with_columns(other=1))

    assert named.columns == ["forecaster", *FORECAST_KEYS, "forecast"]
    assert named["forecaster"].to_list() == ["ridge"]


def test_a_table_that_is_cut_short_is_named(tmp_path: Path) -> None:
    path = tmp_path / "forecasts.parquet"
    TABLE.write_parquet(path)
    assert open_table(path).collect().equals(TABLE)

    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match="forecasts.parquet is not readable as a table"):
        open_table(path)
