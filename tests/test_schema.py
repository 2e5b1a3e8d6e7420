"""The roles of an ML dataset's columns."""

from datetime import date

import polars as pl

from atft_kedro.schema import ColumnParams, map_columns
from factories.params import make_params


def test_a_dataset_without_a_sector_column_by_its_parameters_has_no_sectors() -> None:
    rows = pl.LazyFrame({"date": [date(2024, 1, 2)], "code": ["a"], "sector": ["x"], "gap": [0.5]})

    assert map_columns(rows, make_params(ColumnParams)).collect_schema().names() == ["date", "code", "sector", "gap"]
    assert map_columns(rows, make_params(ColumnParams, sector=None)).collect_schema().names() == ["date", "code", "gap"]
    assert (
        map_columns(rows.drop("sector"), make_params(ColumnParams, sector=None)).collect_schema().names()[-1] == "gap"
    )
