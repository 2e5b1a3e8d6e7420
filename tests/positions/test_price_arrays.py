"""Test prices as arrays, and when stocks count as delisted."""

from datetime import date

import numpy as np
import polars as pl
import pytest

from atft_kedro.positions.price_arrays import fill_forward, read_price_arrays

NONE = pl.DataFrame(schema={"date": pl.Date, "code": pl.String, "return": pl.Float64})
DAYS = [date(2024, 1, day) for day in range(1, 9)]


def make_dataset(**columns: pl.Expr) -> pl.LazyFrame:
    """Make prices of A on all days, of B up to day 4, and of C up to day 5 and on the last day."""
    rows = [("A", day) for day in range(8)] + [("B", day) for day in range(4)] + [("C", day) for day in (*range(5), 7)]
    table = pl.DataFrame({"date": [DAYS[day] for _, day in rows], "code": [code for code, _ in rows]})
    close = (10 + pl.col("date").dt.day()).cast(pl.Float64)
    return (
        table.with_columns(close=close, open=close - 0.5, high=close, low=close, volume=pl.lit(100))
        .with_columns(**columns)
        .lazy()
    )


def test_a_stock_is_delisted_after_its_last_row_in_the_dataset() -> None:
    arrays = read_price_arrays(make_dataset(), (DAYS[3], DAYS[6]), 2, NONE, 0.1)

    assert arrays.index.days.to_list() == DAYS[1:7]
    assert arrays.terminal_day.tolist() == [6, 3, 6]  # C has a later row, so it is only suspended
    assert arrays.terminal_return.tolist() == [0.1, 0.1, 0.1]


@pytest.mark.parametrize(("day", "earned"), [(3, 3), (4, 3), (5, 4), (7, 6)])
def test_a_dated_return_is_earned_on_its_date_but_not_before_the_day_after_the_last_row(day: int, earned: int) -> None:
    delistings = pl.DataFrame({"date": [DAYS[day]], "code": ["B"], "return": [-0.4]})

    arrays = read_price_arrays(make_dataset(), (DAYS[3], DAYS[6]), 2, delistings, 0.1)

    assert arrays.terminal_day.tolist() == [6, earned, 6]
    assert arrays.terminal_return.tolist() == [0.1, -0.4, 0.1]
    assert arrays.is_in_delistings.tolist() == [False, True, False]


def test_unknown_prices_are_nan_and_a_return_spans_a_suspension() -> None:
    is_bad = (pl.col("code") == "A") & (pl.col("date") == DAYS[3])
    dataset = make_dataset(open=pl.when(is_bad).then(0.0).otherwise(pl.col("open")))

    arrays = read_price_arrays(dataset, (DAYS[0], DAYS[7]), 5, NONE, 0.0)

    assert np.isnan(arrays.open[3, 0])
    assert arrays.close[3, 0] == 14
    assert np.isnan(arrays.returns[5:7, 2]).all()
    assert arrays.returns[7, 2] == pytest.approx(18 / 15 - 1)
    assert arrays.marks[6, 2] == 15
    assert arrays.traded_value[0, 0] == 1100


def test_sectors_are_numbers_and_unknown_ones_have_none() -> None:
    sector = pl.col("code").replace_strict({"A": "tech", "B": None, "C": "bank"}, return_dtype=pl.String)

    arrays = read_price_arrays(make_dataset(sector=sector), (DAYS[0], DAYS[7]), 0, NONE, 0.0)

    assert arrays.sector.tolist() == [2, -1, 1]
    assert read_price_arrays(make_dataset(), (DAYS[0], DAYS[7]), 0, NONE, 0.0).sector.tolist() == [-1, -1, -1]


def test_without_volume_traded_values_are_unknown() -> None:
    arrays = read_price_arrays(make_dataset().drop("volume", "open"), (DAYS[0], DAYS[7]), 0, NONE, 0.0)

    assert np.isnan(arrays.traded_value).all()
    np.testing.assert_array_equal(arrays.open, arrays.close)


def test_a_held_stock_without_prices_is_delisted_on_its_date_or_before_all_days() -> None:
    delistings = pl.DataFrame({"date": [DAYS[4]], "code": ["0"], "return": [-0.4]})

    arrays = read_price_arrays(make_dataset(), (DAYS[3], DAYS[6]), 2, delistings, 0.1, ["A", "Z", "0"])

    assert arrays.index.codes.to_list() == ["0", "A", "B", "C", "Z"]
    assert arrays.terminal_day[[0, 4]].tolist() == [3, 0]
    assert arrays.is_in_delistings[[0, 4]].tolist() == [True, False]
    assert np.isnan(arrays.marks[:, [0, 4]]).all()


def test_values_are_filled_forward_but_not_backward() -> None:
    values = np.array([[np.nan, 1.0], [2.0, np.nan], [np.nan, np.nan]])

    np.testing.assert_array_equal(fill_forward(values), [[np.nan, 1], [2, 1], [2, 1]])
