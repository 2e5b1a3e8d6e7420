"""Test the folder to which a file per day is added."""

from datetime import date
from pathlib import Path

import pytest

from atft_kedro.market.columns import PriceFileParams
from atft_kedro.market.daily_folder import DailyFolderSource
from atft_kedro.market.raw_days import RawDays
from atft_kedro.params import InputError
from factories.price_files import write

HEADER = "Date,Symbol,Close,Split"


def source(folder: Path) -> DailyFolderSource:
    columns = {"code": "Symbol", "adjustment_factor": "Split"}
    return DailyFolderSource(folder, PriceFileParams(columns=columns))


def test_a_new_file_adds_a_day_and_its_split_adjusts_the_earlier_ones(tmp_path: Path) -> None:
    folder, days = tmp_path / "incoming", RawDays(tmp_path / "store")
    write(folder / "2024-01-04.csv", f"{HEADER}\n2024-01-04,7203,200,\n2024-01-04,9984,50,\n")
    assert days.update(source(folder), 20) == [date(2024, 1, 4)]
    write(folder / "prices_20240105.csv", f"{HEADER}\n2024-01-05,7203,101,0.5\n2024-01-05,9984,51,\n")

    assert days.update(source(folder), 20) == [date(2024, 1, 5)]

    prices = days.load().sort("code", "date").collect()
    assert prices.select("code", "close").rows() == [("7203", 100.0), ("7203", 101.0), ("9984", 50.0), ("9984", 51.0)]
    assert prices["sector"].null_count() == 4
    assert days.read(date(2024, 1, 4))["close"].to_list() == [200.0, 50.0]


@pytest.mark.parametrize(
    ("name", "day", "message"),
    [
        ("prices.csv", "2024-01-04", "prices.csv has no day in its name"),
        ("2024-01-05.csv", "2024-01-04", "2024-01-05 are wrong: the row of A is not of 2024-01-05"),
        ("20240104.csv", "2024-01-04", "are both of 2024-01-04: keep one file per day"),
    ],
)
def test_a_wrong_file_is_named(name: str, day: str, message: str, tmp_path: Path) -> None:
    folder = tmp_path / "incoming"
    write(folder / "2024-01-04.csv", f"{HEADER}\n2024-01-04,A,1,\n")
    write(folder / name, f"{HEADER}\n{day},A,1,\n")

    with pytest.raises(InputError, match=message):
        RawDays(tmp_path / "store").update(source(folder), 0)
