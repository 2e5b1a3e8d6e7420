"""Test which tables of delisted stocks are read, and which are refused."""

import logging
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from atft_kedro.market.delistings import NO_DELISTINGS, read_delistings, select_known_delistings
from atft_kedro.market.parse_cells import DateFormat
from atft_kedro.params import InputError

GERMAN = DateFormat(text="%d.%m.%Y")
READ = pl.DataFrame({"date": [date(2024, 3, 1), date(2024, 4, 2)], "code": ["1301", "LEH"], "return": [0.05, -1.0]})


def write(folder: Path, text: str) -> Path:
    path = folder / "delistings.csv"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "dates"),
    [
        ("date,code,return\n2024-03-01,1301,0.05\n2024-04-02,LEH,-1\n", DateFormat()),
        ("Code, Return ,Reason,Date\n1301,0.05,merger,20240301\nLEH,-1.0,,20240402\n", DateFormat()),
        ("date,code,return\n01.03.2024,1301,.05\n02.04.2024,LEH,-1e0\n", GERMAN),
    ],
)
def test_dates_are_read_as_in_price_files(tmp_path: Path, text: str, dates: DateFormat) -> None:
    assert_frame_equal(read_delistings(write(tmp_path, text), dates), READ)


def test_a_parquet_file_with_codes_and_returns_as_integers_is_read(tmp_path: Path) -> None:
    table = pl.DataFrame({"date": READ["date"], "code": [1301.0, 77.0], "return": [0, -1]})
    table.write_parquet(tmp_path / "delistings.parquet")

    read = read_delistings(tmp_path / "delistings.parquet", DateFormat())

    assert read.schema == NO_DELISTINGS.schema
    assert read.rows() == [(date(2024, 3, 1), "1301", 0.0), (date(2024, 4, 2), "77", -1.0)]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("2024-03-01,A,-35", "1 row.s. with a return below -1: a loss of 35 % is -0.35 .A on 2024-03-01: -35.0.."),
        ("2024-03-01,A,inf", "1 row.s. with a return that is not finite"),
        ("2024-03-01,A,\n2024-03-01,,0.1", "2 row.s. without a date, a code or a return"),
        ("2024-03-01,A,0.1\n2024-03-02,A,0.1", "2 row.s. for a code that another row has too: a stock has one last"),
        ("2024-03-01,A,-35%", "column 'return': 1 cell.s. are not a number: '-35%' in row 1"),
        ("2024-03-01,A,-1\nin March,B,-1", "column 'date': 1 cell.s. are not a date: 'in March' in row 2"),
    ],
)
def test_impossible_rows_are_refused(tmp_path: Path, rows: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_delistings(write(tmp_path, f"date,code,return\n{rows}\n"), DateFormat())


def test_a_missing_column_or_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no column return; it has date, code, dlret\."):
        read_delistings(write(tmp_path, "date,code,dlret\n2024-03-01,A,-1\n"), DateFormat())
    with pytest.raises(InputError, match="other.csv is not a file: give the table of delistings with --params deli"):
        read_delistings(tmp_path / "other.csv", DateFormat())


def make_prices(last_days: dict[str, date]) -> pl.LazyFrame:
    rows = [(day, code) for code, last in last_days.items() for day in (date(2020, 1, 2), last)]
    return pl.DataFrame(rows, schema=["date", "code"], orient="row").lazy()


def test_delistings_are_known_from_their_day_on_and_of_stocks_in_the_prices(caplog: pytest.LogCaptureFixture) -> None:
    prices = make_prices({"1301": date(2024, 3, 1), "LEH": date(2024, 3, 28), "A": date(2024, 4, 1)})
    other = pl.DataFrame({"date": [date(2024, 2, 1)], "code": ["OTHER"], "return": [0.0]})

    with caplog.at_level(logging.WARNING):
        known = select_known_delistings(pl.concat([READ, other]), prices)

    assert_frame_equal(known, READ.head(1))  # the prices end on the day before the other
    assert caplog.messages == ["delistings: 1 of 3 stocks are not in the prices"]


def test_a_stock_with_prices_after_its_delisting_is_refused() -> None:
    prices = make_prices({"1301": date(2024, 3, 4), "A": date(2024, 4, 2)})

    with pytest.raises(
        InputError, match="the last return of 1301 on 2024-03-01, but its prices go on until 2024-03-04:"
    ):
        select_known_delistings(READ, prices)
