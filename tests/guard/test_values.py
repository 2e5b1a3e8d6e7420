"""Rules for the values of features and targets, on a small table with one fault per column."""

import math
from datetime import date, timedelta

import polars as pl
import pytest

from atft_kedro.guard.dataset import InspectedDataset
from atft_kedro.guard.rule import RuleParams
from atft_kedro.guard.values import (
    MissingParams,
    OutlierParams,
    check_constant,
    check_finite,
    check_missing,
    check_outliers,
)

DAYS = 100


@pytest.fixture(scope="module")
def data() -> InspectedDataset:
    varying = [math.sin(7 * day) for day in range(DAYS)]
    return InspectedDataset(
        pl.LazyFrame(
            {
                "date": [date(2024, 1, 1) + timedelta(days=day) for day in range(DAYS)],
                "code": ["A"] * DAYS,
                "sound": varying,
                "nan": [math.nan, math.nan, *varying[2:]],
                "infinite": [math.inf, *varying[1:]],
                "unknown": [None] * 60 + varying[60:],
                "constant": [None, *[2.0] * (DAYS - 1)],
                "extreme": [1e6, -1e6, 1e6, *varying[3:]],
            }
        )
    )


def test_nan_and_infinity_are_found_most_first(data: InspectedDataset) -> None:
    assert check_finite(data, RuleParams(severity="error")).rows == [
        {"column": "nan", "nans": 2, "infinite": 0},
        {"column": "infinite", "nans": 0, "infinite": 1},
    ]


@pytest.mark.parametrize(("max_share", "found"), [(0.59, ["unknown"]), (0.6, []), (0.0, ["unknown", "constant"])])
def test_columns_over_the_share_of_unknown_values_are_found(
    data: InspectedDataset, max_share: float, found: list[str]
) -> None:
    assert check_missing(data, MissingParams(severity="warn", max_share=max_share)).columns == found


def test_a_column_with_one_known_value_is_constant(data: InspectedDataset) -> None:
    assert check_constant(data, RuleParams(severity="error")).rows == [{"column": "constant", "value": 2.0}]


@pytest.mark.parametrize(("max_share", "found"), [(0.02, ["extreme"]), (0.04, [])])
def test_values_far_from_the_median_are_outliers(data: InspectedDataset, max_share: float, found: list[str]) -> None:
    params = OutlierParams(severity="warn", ranges=20, max_share=max_share)

    assert check_outliers(data, params).columns == found
