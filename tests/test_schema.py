"""The roles of an ML dataset's columns."""

from datetime import date, datetime

import polars as pl
import pytest

from atft_kedro.params import InputError
from atft_kedro.schema import ColumnParams, map_columns
from factories.params import make_params


def test_a_dataset_without_a_sector_column_by_its_parameters_has_no_sectors() -> None:
    rows = pl.LazyFrame({"date": [date(2024, 1, 2)], "code": ["a"], "sector": ["x"], "gap": [0.5]})

    assert map_columns(rows, make_params(ColumnParams)).collect_schema().names() == ["date", "code", "sector", "gap"]
    assert map_columns(rows, make_params(ColumnParams, sector=None)).collect_schema().names() == ["date", "code", "gap"]
    assert (
        map_columns(rows.drop("sector"), make_params(ColumnParams, sector=None)).collect_schema().names()[-1] == "gap"
    )


def test_delisting_dates_of_a_users_dataset_become_dates_or_are_refused() -> None:
    rows = pl.LazyFrame({"date": [datetime(2024, 3, 1)], "code": ["A"], "delisting_date": [datetime(2024, 3, 4, 9)]})
    columns = make_params(ColumnParams, sector=None)

    assert map_columns(rows, columns).collect().rows() == [(date(2024, 3, 1), "A", date(2024, 3, 4))]
    with pytest.raises(InputError, match="date column 'delisting_date' is String, not a date: convert it"):
        map_columns(rows.with_columns(delisting_date=pl.lit("2024-03-04")), columns)
