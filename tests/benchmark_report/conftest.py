"""Random returns of 30 stocks on 120 days; the last 60 are test days."""

from datetime import date, timedelta

import polars as pl
import pytest

from factories.benchmark_runs import make_returns


@pytest.fixture(scope="package")
def returns() -> pl.DataFrame:
    return make_returns(30, [date(2024, 1, 1) + timedelta(days=day) for day in range(120)])
