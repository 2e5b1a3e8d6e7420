"""Columns of price files are recognised by their values."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml

from atft_kedro.market.columns import format_mapping, recognise_columns
from atft_kedro.params import InputError
from factories.price_files import read, write

NAMES = ["date", "open", "high", "low", "close", "volume"]
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
    numbers = dict(zip(NAMES[1:], [*quotes, close, volume], strict=True))
    return pl.DataFrame({"date": dates, **{name: np.round(column) for name, column in numbers.items()}}).with_columns(
        pl.col(NAMES[1:]).cast(pl.Int64)
    )


def as_text(stock: pl.DataFrame) -> pl.DataFrame:
    return stock.cast(pl.String)


@pytest.mark.parametrize("language", HEADERS)
@pytest.mark.parametrize("order", [NAMES, ["date", "open", "close", "high", "low", "volume"], NAMES[::-1]])
@pytest.mark.parametrize("newest_first", [False, True])
def test_fields_of_one_stock_are_recognised_in_any_language_and_order(
    language: str, order: list[str], newest_first: bool
) -> None:
    headers = dict(zip(NAMES, HEADERS[language], strict=True))
    stock = make_stock(1).reverse() if newest_first else make_stock(1)

    found = recognise_columns(as_text(stock).select(order).rename(headers))

    assert found == headers


@pytest.mark.parametrize("written", ["%d.%m.%Y", "%m/%d/%Y", "%Y%m%d", "%Y年%m月%d日"])
def test_dates_in_common_formats_are_recognised(written: str) -> None:
    stock = make_stock(2).with_columns(pl.col("date").dt.to_string(written))

    assert recognise_columns(as_text(stock))["date"] == "date"


def test_other_columns_of_a_stock_are_not_recognised_as_fields() -> None:
    stock = make_stock(3)
    change = (pl.col("close") / pl.col("close").shift(1) - 1).fill_null(0)
    more = stock.select(
        "date",
        pl.lit("Samsung").alias("name"),
        (pl.col("close") * pl.col("volume")).alias("amount"),
        change.alias("change"),
        pl.col("close").shift(1, fill_value=5000).alias("previous"),
        *NAMES[1:],
    )

    found = recognise_columns(as_text(more))

    assert {name: found[name] for name in NAMES} == {name: name for name in NAMES}


def test_the_code_column_of_a_file_with_many_stocks_is_recognised() -> None:
    stocks = [make_stock(seed).select(pl.lit(f"00{seed}").alias("コード"), pl.all()) for seed in (4, 5)]

    assert recognise_columns(as_text(pl.concat(stocks)))["code"] == "コード"


@pytest.mark.parametrize("distance", [0, 400])
def test_columns_of_several_stocks_are_not_recognised_as_fields(distance: int) -> None:
    """Stocks of like prices in whole units are ordered as high, two between and low, but keep their distance."""
    closes = [
        (make_stock(seed)["close"] // 20 + seed // 2 * distance + 5000).alias(f"stock {seed}") for seed in range(8)
    ]

    assert recognise_columns(pl.DataFrame([make_stock(0)["date"], *closes])) == {}


def test_the_error_about_files_in_another_language_proposes_a_working_mapping(tmp_path: Path) -> None:
    headers = dict(zip(NAMES, HEADERS["Korean"], strict=True))
    for seed in range(40):
        make_stock(seed).rename(headers).write_csv(tmp_path / f"{seed:06}.csv")

    with pytest.raises(InputError, match=r"conf/files/catalog\.yml") as refused:
        read(tmp_path)

    assert len(str(refused.value)) < 700
    mapping = yaml.safe_load(str(refused.value).split("--env files`): ")[1].split(". If each")[0])
    assert mapping == {"columns": headers}
    found = read(tmp_path, **mapping)
    assert found["code"].unique().sort().to_list() == [f"{seed:06}" for seed in range(40)]
    assert found.height == 40 * 60


def test_the_error_about_a_long_file_proposes_a_mapping(tmp_path: Path) -> None:
    stocks = [make_stock(seed).select(pl.lit(f"S{seed}").alias("Symbol"), pl.all()) for seed in (4, 5)]
    path = tmp_path / "p.csv"
    pl.concat(stocks).rename({"close": "Last: adjusted", "volume": "#"}).write_csv(path)

    with pytest.raises(InputError, match="no column for code, close") as refused:
        read(path)

    mapping = {"code": "Symbol", "date": "date", "open": "open", "high": "high", "low": "low"}
    assert format_mapping(mapping | {"close": "Last: adjusted", "volume": "#"}) in str(refused.value)


def test_columns_with_text_or_field_names_are_not_stocks(tmp_path: Path) -> None:
    days = "\n".join(f"2024-01-0{day},{{0}},{day}00.5,{day}00" for day in range(2, 6))
    symbols = write(tmp_path / "symbols.csv", "Date,Symbol,Trade,Size\n" + days.format("A"))
    fields = write(tmp_path / "fields.csv", "Date,last,vol\n2024-01-02,100.5,300\n2024-01-03,101.5,500\n")

    with pytest.raises(InputError, match=r"'Symbol' contains text such as 'A'.*columns: \{code: Symbol, close: Last\}"):
        read(symbols)
    with pytest.raises(InputError, match=r"'last' is the name of a price field.*columns: \{close: last, volume: vol\}"):
        read(fields)
    wide = read(fields, layout="wide")
    assert wide["code"].unique().sort().to_list() == ["last", "vol"]
