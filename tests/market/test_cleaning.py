"""Cleaning of price tables: bad rows and cells are excluded and counted."""

import json
import math
from datetime import date

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from atft_kedro.market.cleaning import CleaningParams, clean_price_table, require_clean_prices
from atft_kedro.market.simulation import SimulatedMarket
from atft_kedro.params import InputError
from factories.params import make_params

TODAY = date(2030, 1, 1)
PARAMS = make_params(CleaningParams)
LENIENT = make_params(CleaningParams, max_excluded_share=1)


@pytest.fixture
def prices(market: SimulatedMarket) -> pl.DataFrame:
    return market.prices.head(2000)


def with_cell(prices: pl.DataFrame, row: int, column: str, value: float | date | None) -> pl.DataFrame:
    is_row = pl.int_range(pl.len()) == row
    return prices.with_columns(pl.when(is_row).then(pl.lit(value)).otherwise(pl.col(column)).alias(column))


def counts(report: dict) -> dict[str, int]:  # type: ignore[type-arg]
    return {exclusion["rule"]: exclusion["count"] for exclusion in report["exclusions"]}


def test_clean_prices_pass_untouched(prices: pl.DataFrame) -> None:
    clean, report = clean_price_table(prices.lazy(), PARAMS, TODAY)

    assert_frame_equal(clean.drop("vwap"), prices, check_column_order=False)
    assert report["exclusions"] == []


@pytest.mark.parametrize(
    ("column", "value", "rule"),
    [
        ("close", 0.0, "close zero or negative"),
        ("close", -1.0, "close zero or negative"),
        ("close", math.inf, "close infinite"),
        ("close", math.nan, "close unknown"),
        ("close", None, "close unknown"),
        ("date", date(2030, 1, 2), "day in the future or before its close"),
        ("date", None, "no date or code"),
        ("code", None, "no date or code"),
    ],
)
def test_an_impossible_row_is_excluded_and_counted(
    prices: pl.DataFrame, column: str, value: float | date | None, rule: str
) -> None:
    clean, report = clean_price_table(with_cell(prices, 700, column, value).lazy(), PARAMS, TODAY)

    others = prices.with_row_index().filter(pl.col("index") != 700).drop("index")
    assert counts(report) == {rule: 1}
    assert_frame_equal(clean.drop("vwap"), others, check_column_order=False)


@pytest.mark.parametrize(
    ("column", "value", "rule", "cells"),
    [
        ("open", 0.0, "open zero, negative or infinite", ["open"]),
        ("high", math.inf, "high zero, negative or infinite", ["high"]),
        ("low", -3.0, "low zero, negative or infinite", ["low"]),
        ("volume", -1.0, "volume negative or infinite", ["volume"]),
        ("high", 0.01, "high below low", ["high", "low"]),
        ("low", 1e6, "high below low", ["high", "low"]),
        ("open", 1e6, "high below open or close", ["high"]),
    ],
)
def test_an_impossible_cell_becomes_null_and_is_counted(
    prices: pl.DataFrame, column: str, value: float, rule: str, cells: list[str]
) -> None:
    dirty = with_cell(prices, 700, column, value)

    clean, report = clean_price_table(dirty.lazy(), PARAMS, TODAY)

    assert counts(report) == {rule: len(cells)}
    assert [name for name in ("open", "high", "low", "volume") if clean[700, name] is None] == cells
    kept = [name for name in clean.columns if name not in (*cells, "vwap")]
    assert_frame_equal(clean.select(kept), dirty.select(kept))


def test_a_repeated_row_is_excluded_and_counted(prices: pl.DataFrame) -> None:
    clean, report = clean_price_table(pl.concat([prices, prices[5:8]]).lazy(), PARAMS, TODAY)

    assert counts(report) == {"repeated row": 3}
    assert clean.height == prices.height


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_the_report_is_json_also_with_nan_and_infinite_closes(prices: pl.DataFrame, value: float) -> None:
    _, report = clean_price_table(with_cell(prices, 700, "close", value).lazy(), PARAMS, TODAY)

    loaded = json.loads(json.dumps(report, allow_nan=False))
    assert loaded["exclusions"][0]["examples"][0]["close"] == str(value)


def test_two_different_rows_of_one_day_are_an_error(prices: pl.DataFrame) -> None:
    other = prices[5].with_columns(pl.col("close") * 1.01)

    with pytest.raises(InputError, match=f"2 rows share.*{prices[5, 'code']} on {prices[5, 'date']}"):
        clean_price_table(pl.concat([prices, other]).lazy(), PARAMS, TODAY)


def test_too_many_exclusions_are_an_error_that_names_the_rule(prices: pl.DataFrame) -> None:
    dirty = prices.with_columns(pl.when(pl.int_range(pl.len()) % 10 == 0).then(0.0).otherwise("close").alias("close"))

    with pytest.raises(InputError, match="10.0% of the price rows.*'close zero or negative'"):
        clean_price_table(dirty.lazy(), PARAMS, TODAY)


@pytest.mark.parametrize("unit", ["stocks", "days"])
def test_one_stock_or_one_day_is_not_enough(prices: pl.DataFrame, unit: str) -> None:
    column = {"stocks": "code", "days": "date"}[unit]
    lone = prices.filter(pl.col(column) == prices[0, column])

    with pytest.raises(InputError, match=f"hold 1 {unit} and at least 2"):
        clean_price_table(lone.lazy(), LENIENT, TODAY)


def test_no_rows_and_no_close_column(prices: pl.DataFrame) -> None:
    with pytest.raises(InputError, match="no rows"):
        clean_price_table(prices.clear().lazy(), PARAMS, TODAY)
    with pytest.raises(InputError, match="no column close"):
        clean_price_table(prices.drop("close").lazy(), PARAMS, TODAY)


def test_the_order_of_rows_does_not_matter(prices: pl.DataFrame) -> None:
    shuffled = clean_price_table(prices.sample(fraction=1, shuffle=True, seed=1).lazy(), PARAMS, TODAY)[0]

    assert_frame_equal(shuffled, clean_price_table(prices.lazy(), PARAMS, TODAY)[0])


def test_the_schema_refuses_repeated_keys(clean_prices: pl.DataFrame) -> None:
    require_clean_prices(clean_prices)

    with pytest.raises(InputError, match="clean_prices violates its schema"):
        require_clean_prices(pl.concat([clean_prices, clean_prices[3]]))


def test_extra_columns_are_kept_and_stored(prices: pl.DataFrame) -> None:
    extended = prices.with_columns(pe=pl.int_range(pl.len()), other=pl.lit(1.0))

    clean, _ = clean_price_table(extended.lazy(), PARAMS, TODAY, ["pe", "absent"])

    assert clean.columns == [*clean_price_table(prices.lazy(), PARAMS, TODAY)[0].columns, "pe"]
    assert require_clean_prices(clean)["pe"].to_list() == extended.sort("code", "date")["pe"].to_list()
