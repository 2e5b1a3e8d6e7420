"""Columns are recognised by what they hold, whatever they are called."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml

from atft_kedro.market.columns import format_mapping, recognise_columns
from atft_kedro.params import InputError
from factories.price_files import read, write

OURS = ["date", "open", "high", "low", "close", "volume"]
HEADERS = {
    "Korean": ["날짜", "시가", "고가", "저가", "종가", "거래량"],
    "Japanese": ["日付", "始値", "高値", "安値", "終値", "出来高"],
    "Chinese": ["日期", "开盘", "最高", "最低", "收盘", "成交量"],
    "German": ["Datum", "Eröffnung", "Hoch", "Tief", "Schluss", "Volumen"],
}


def make_stock(seed: int, days: int = 60) -> pl.DataFrame:
    """One stock's prices in whole units, with three days on which it does not trade, all as text."""
    rng = np.random.default_rng(seed)
    close = 5000 * np.exp(np.cumsum(rng.normal(0, 0.02, days)))
    opening = np.concatenate([[5000], close[:-1]]) * np.exp(rng.normal(0, 0.004, days))
    top, bottom = np.maximum(opening, close), np.minimum(opening, close)
    quotes = [opening, top * (1 + rng.exponential(0.004, days)), bottom * (1 - rng.exponential(0.004, days))]
    volume = rng.integers(1000, 90_000, days)
    for zeros in (*quotes, volume):
        zeros[[5, 6, 40]] = 0
    dates = [date(2024, 1, 1) + timedelta(days=day) for day in range(days)]
    numbers = dict(zip(OURS[1:], [*quotes, close, volume], strict=True))
    return pl.DataFrame({"date": dates, **{name: np.round(column) for name, column in numbers.items()}}).with_columns(
        pl.col(OURS[1:]).cast(pl.Int64)
    )


def as_text(stock: pl.DataFrame) -> pl.DataFrame:
    return stock.cast(pl.String)


@pytest.mark.parametrize("language", HEADERS)
@pytest.mark.parametrize("order", [OURS, ["date", "open", "close", "high", "low", "volume"], OURS[::-1]])
@pytest.mark.parametrize("newest_first", [False, True])
def test_one_stocks_fields_are_recognised_in_any_language_and_order(
    language: str, order: list[str], newest_first: bool
) -> None:
    theirs = dict(zip(OURS, HEADERS[language], strict=True))
    stock = make_stock(1).reverse() if newest_first else make_stock(1)

    found = recognise_columns(as_text(stock).select(order).rename(theirs))

    assert found == theirs


@pytest.mark.parametrize("written", ["%d.%m.%Y", "%m/%d/%Y", "%Y%m%d", "%Y年%m月%d日"])
def test_dates_are_recognised_as_people_write_them(written: str) -> None:
    stock = make_stock(2).with_columns(pl.col("date").dt.to_string(written))

    assert recognise_columns(as_text(stock))["date"] == "date"


def test_other_columns_of_one_stock_are_not_taken_for_its_fields() -> None:
    stock = make_stock(3)
    change = (pl.col("close") / pl.col("close").shift(1) - 1).fill_null(0)
    more = stock.select(
        "date",
        pl.lit("Samsung").alias("name"),
        (pl.col("close") * pl.col("volume")).alias("amount"),
        change.alias("change"),
        pl.col("close").shift(1, fill_value=5000).alias("previous"),
        *OURS[1:],
    )

    found = recognise_columns(as_text(more))

    assert {ours: found[ours] for ours in OURS} == {ours: ours for ours in OURS}


def test_many_stocks_in_one_file_have_a_code() -> None:
    stocks = [make_stock(seed).select(pl.lit(f"00{seed}").alias("コード"), pl.all()) for seed in (4, 5)]

    assert recognise_columns(as_text(pl.concat(stocks)))["code"] == "コード"


@pytest.mark.parametrize("apart", [0, 400])
def test_a_column_per_stock_is_not_one_stocks_fields(apart: int) -> None:
    """Stocks of like prices in whole units are ordered as high, two between and low, but keep their distance."""
    closes = [(make_stock(seed)["close"] // 20 + seed // 2 * apart + 5000).alias(f"stock {seed}") for seed in range(8)]

    assert recognise_columns(pl.DataFrame([make_stock(0)["date"], *closes])) == {}


def test_the_message_about_files_in_another_language_holds_a_mapping_that_reads_them(tmp_path: Path) -> None:
    theirs = dict(zip(OURS, HEADERS["Korean"], strict=True))
    for place in range(40):
        make_stock(place).rename(theirs).write_csv(tmp_path / f"{place:06}.csv")

    with pytest.raises(InputError, match=r"conf/files/catalog\.yml") as refused:
        read(tmp_path)

    assert len(str(refused.value)) < 700
    mapping = yaml.safe_load(str(refused.value).split("--env files`): ")[1].split(". If each")[0])
    assert mapping == {"columns": theirs}
    found = read(tmp_path, **mapping)
    assert found["code"].unique().sort().to_list() == [f"{place:06}" for place in range(40)]
    assert found.height == 40 * 60


def test_a_long_file_with_other_words_gets_its_mapping_too(tmp_path: Path) -> None:
    stocks = [make_stock(seed).select(pl.lit(f"S{seed}").alias("Symbol"), pl.all()) for seed in (4, 5)]
    path = tmp_path / "p.csv"
    pl.concat(stocks).rename({"close": "Last: adjusted", "volume": "#"}).write_csv(path)

    with pytest.raises(InputError, match="no column for code, close") as refused:
        read(path)

    mapping = {"code": "Symbol", "date": "date", "open": "open", "high": "high", "low": "low"}
    assert format_mapping(mapping | {"close": "Last: adjusted", "volume": "#"}) in str(refused.value)


def test_text_and_names_of_fields_are_not_taken_for_stocks(tmp_path: Path) -> None:
    days = "\n".join(f"2024-01-0{day},{{0}},{day}00.5,{day}00" for day in range(2, 6))
    symbols = write(tmp_path / "symbols.csv", "Date,Symbol,Trade,Size\n" + days.format("A"))
    fields = write(tmp_path / "fields.csv", "Date,last,vol\n2024-01-02,100.5,300\n2024-01-03,101.5,500\n")

    with pytest.raises(InputError, match=r"'Symbol' contains text such as 'A'.*columns: \{code: Symbol, close: Last\}"):
        read(symbols)
    with pytest.raises(InputError, match=r"'last' is the name of a price field.*columns: \{close: last, volume: vol\}"):
        read(fields)
    wide = read(fields, layout="wide")
    assert wide["code"].unique().sort().to_list() == ["last", "vol"]
