"""Dates, time zones and numbers in price files."""

from datetime import date, datetime
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from atft_kedro.market.columns import PriceFileParams
from atft_kedro.market.parse_cells import DateFormat
from atft_kedro.market.price_files import read_prices
from atft_kedro.params import InputError
from factories.price_files import PRICES, read, write


@pytest.mark.parametrize(
    ("dates", "params"),
    [
        (pl.col("date").dt.to_string("%Y-%m-%d"), {}),
        (pl.col("date").dt.to_string("%Y/%m/%d"), {}),
        (pl.col("date").dt.to_string("%Y%m%d"), {}),
        (pl.col("date").dt.to_string("%Y%m%d").cast(pl.Int64), {}),
        (pl.col("date").dt.to_string("%d.%m.%Y"), {"text": "%d.%m.%Y"}),
        (pl.col("date").dt.to_string("%Y-%m-%d 00:00:00-05:00"), {}),
        (pl.col("date").dt.epoch("s"), {}),
        (pl.col("date").dt.epoch("ms"), {}),
        (pl.col("date").dt.epoch("us"), {}),
        (pl.col("date").dt.epoch("us") * 1000, {}),
        (pl.col("date").dt.epoch("s").cast(pl.String), {}),
        (pl.col("date").cast(pl.Datetime("us")), {}),
        (pl.col("date").cast(pl.Datetime("us")).dt.replace_time_zone("America/New_York"), {}),
        (  # the session of 2 January in Tokyo opens on 2 January 00:00 UTC; midnight in Tokyo is the day before in UTC
            pl.col("date").cast(pl.Datetime("us")).dt.replace_time_zone("Asia/Tokyo").dt.convert_time_zone("UTC"),
            {"time_zone": "Asia/Tokyo"},
        ),
        (  # as an epoch: the same instant
            pl.col("date").cast(pl.Datetime("us")).dt.replace_time_zone("Asia/Tokyo").dt.epoch("s"),
            {"time_zone": "Asia/Tokyo"},
        ),
    ],
)
def test_dates_in_common_formats_are_parsed(tmp_path: Path, dates: pl.Expr, params: dict[str, str]) -> None:
    path = tmp_path / "prices.parquet"
    PRICES.with_columns(dates.alias("date")).write_parquet(path)

    assert_frame_equal(read(path, dates=DateFormat.model_validate(params)), PRICES)


def test_text_without_an_offset_keeps_its_written_day(tmp_path: Path) -> None:
    path = write(tmp_path / "p.csv", "date,code,close\n2024-01-02 00:00:00,A,1\n")
    params = PriceFileParams.model_validate({"dates": {"time_zone": "America/New_York"}})

    assert read_prices(path, params).collect()["date"].to_list() == [date(2024, 1, 2)]


@pytest.mark.parametrize(
    ("written", "zone"),
    [
        (datetime(2024, 1, 1, 15), "Asia/Tokyo"),  # midnight of the 2nd in Tokyo, in UTC
        (datetime(2024, 1, 2, 21), "America/New_York"),
        (datetime(2024, 1, 2), "America/New_York"),  # midnights are days already
    ],
)
@pytest.mark.parametrize("as_text", [True, False])
def test_a_time_zone_moves_datetimes_without_one_from_utc(
    tmp_path: Path, written: datetime, zone: str, as_text: bool
) -> None:
    table = pl.DataFrame({"date": [written], "code": ["A"], "close": [1.5]})
    dates = pl.col("date").dt.to_string("%Y-%m-%d %H:%M:%S") if as_text else pl.col("date")
    table.with_columns(dates).write_parquet(tmp_path / "p.parquet")

    found = read(tmp_path / "p.parquet", dates={"time_zone": zone})

    assert found["date"].to_list() == [date(2024, 1, 2)]


@pytest.mark.parametrize("as_text", [True, False])
def test_days_of_a_file_do_not_depend_on_the_other_files_of_the_folder(tmp_path: Path, as_text: bool) -> None:
    for code, hour in (("A", 0), ("B", 21)):
        table = pl.DataFrame({"date": [datetime(2024, 1, day, hour) for day in (2, 3)], "close": [1.5, 1.6]})
        dates = pl.col("date").dt.to_string("%Y-%m-%d %H:%M:%S") if as_text else pl.col("date")
        table.with_columns(dates).write_parquet(tmp_path / f"{code}.parquet")

    found = read(tmp_path, dates={"time_zone": "America/New_York"}).sort("code", "date")

    assert found["date"].to_list() == [date(2024, 1, 2), date(2024, 1, 3)] * 2


def test_an_unreadable_cell_is_reported_with_its_file_and_row(tmp_path: Path) -> None:
    for code in "ABC":
        write(tmp_path / f"{code}.csv", "date,close\n2024-01-02,1\n2024-01-03,2\n")
    write(tmp_path / "B.csv", "date,close\n2024-01-02,1\n2024-01-03,dear\n")

    with pytest.raises(InputError, match=r"B\.csv, column 'close': 1 cell.* 'dear' in row 2"):
        read(tmp_path)

    write(tmp_path / "B.csv", "date,close\n2024-01-02,1\n2024-01-03\n")
    with pytest.raises(InputError, match=r"B\.csv, line 3: '2024-01-03' does not have 2 cells"):
        read(tmp_path)


def test_float_codes_become_integers_as_text(tmp_path: Path) -> None:
    codes = [1301.0, 130101.0, None]
    table = pl.DataFrame({"date": [date(2024, 1, 2)] * 3, "code": codes, "close": [1.5] * 3})
    table.write_parquet(tmp_path / "p.parquet")
    table.write_csv(tmp_path / "p.csv")

    for name in ("p.parquet", "p.csv"):
        assert read(tmp_path / name)["code"].to_list() == [None, "1301", "130101"]
