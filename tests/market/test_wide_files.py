"""Wide files: a column per stock, a date column and row indices."""

from datetime import date, datetime
from pathlib import Path

import polars as pl
import pytest

from atft_kedro.market.columns import PriceFileParams
from atft_kedro.market.price_files import read_prices
from atft_kedro.params import InputError
from factories.price_files import read, write

DAYS = [datetime(2024, 1, day) for day in (2, 3, 4)]
CLOSES = pl.DataFrame({"A": [10.5, 11.5, 12.5], "B": [20.5, 21.5, 22.5]})


@pytest.mark.parametrize("name", ["", "index", "__index_level_0__", "Unnamed: 0", "level_0"])
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize("place", [0, 2])
def test_a_row_index_is_not_a_stock(tmp_path: Path, name: str, suffix: str, place: int) -> None:
    columns = [pl.Series("Date", DAYS), *CLOSES]
    columns.insert(place, pl.Series("x", [7, 8, 9]))
    path = tmp_path / f"p.{suffix}"
    table = pl.DataFrame(columns).rename({"x": name})
    table.write_csv(path) if suffix == "csv" else table.write_parquet(path)

    assert read(path)["code"].unique().sort().to_list() == ["A", "B"]


@pytest.mark.parametrize("name", ["", "index", "__index_level_0__"])
def test_an_index_of_dates_is_the_date(tmp_path: Path, name: str) -> None:
    CLOSES.with_columns(x=pl.Series(DAYS)).rename({"x": name}).write_parquet(tmp_path / "p.parquet")

    found = read(tmp_path / "p.parquet")

    assert found["code"].unique().sort().to_list() == ["A", "B"]
    assert found["date"].unique().sort().to_list() == [day.date() for day in DAYS]


def test_a_market_index_with_fractions_is_a_stock_like_any(tmp_path: Path) -> None:
    path = write(tmp_path / "p.csv", "date,index,A\n2024-01-02,3021.4,1.5\n2024-01-03,3033.8,1.6\n")

    assert read(path)["code"].unique().sort().to_list() == ["A", "index"]


def test_days_before_a_listing_are_unknown_as_nan_or_as_null(tmp_path: Path) -> None:
    nan = float("nan")
    pl.DataFrame({"date": DAYS, "A": [1.5, 1.6, 1.7], "B": [nan, nan, 2.5]}).write_parquet(tmp_path / "p.parquet")

    found = read_prices(tmp_path / "p.parquet", PriceFileParams()).collect().sort("code", "date")

    assert found.select("code", "close").rows() == [("A", 1.5), ("A", 1.6), ("A", 1.7), ("B", 2.5)]


def test_codes_that_pandas_wrote_as_floats_are_whole(tmp_path: Path) -> None:
    path = write(tmp_path / "p.csv", "date,1301.0,1305.5\n2024-01-02,10.5,20.5\n")

    assert read(path)["code"].unique().sort().to_list() == ["1301", "1305.5"]


def test_a_file_without_dates_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "p.csv", "A,B\n100.1,20.5\n101.1,21.5\n")

    with pytest.raises(
        InputError, match="no column is named date or contains dates; the first one, 'A', contains '100.1'"
    ):
        read(path)
    with pytest.raises(InputError, match="no column is named date or contains dates"):
        read(path, layout="wide")


def test_dates_in_a_given_format_are_found_in_the_first_column(tmp_path: Path) -> None:
    path = write(tmp_path / "p.csv", "Tag,A,B\n2. Jan 24,10.5,20.5\n3. Jan 24,11.5,21.5\n")

    found = read(path, dates={"text": "%d. %b %y"})

    assert found["date"].unique().sort().to_list() == [date(2024, 1, 2), date(2024, 1, 3)]
