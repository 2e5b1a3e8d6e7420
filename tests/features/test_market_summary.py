"""The market's daily return hardly depends on one stock and ignores returns over gaps."""

from datetime import date

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from atft_kedro.features.build import FeatureParams
from atft_kedro.features.market_summary import compute_returns, summarise_market
from factories.datasets import make_ml_dataset
from factories.params import make_params

DAYS = 12


def prices_of(returns: np.ndarray) -> pl.DataFrame:
    """Prices of a market with these returns (day, stock)."""
    closes = 100 * np.cumprod(1 + returns, axis=0)
    day, stock = (indices.ravel() for indices in np.indices(closes.shape))
    frame = pl.DataFrame({"day": day, "code": [f"S{number:03}" for number in stock], "close": closes.ravel()})
    dates = pl.lit(date(2024, 1, 1)) + pl.duration(days=pl.col("day"))
    return frame.select(dates.alias("date"), "code", "close", volume=pl.lit(1e3), sector=pl.lit(None, pl.String)).sort(
        "code", "date"
    )


def summarise(prices: pl.DataFrame) -> pl.DataFrame:
    return summarise_market([compute_returns(prices)])[0]


@pytest.mark.parametrize("stocks", [3, 5, 40, 200])
def test_one_stocks_jump_moves_neither_the_markets_mean_nor_its_dispersion_far(stocks: int) -> None:
    returns = np.random.default_rng(1).normal(0, 0.01, (DAYS, stocks))
    jumped = returns.copy()
    jumped[6, 0] = 20.92

    calm, wild = summarise(prices_of(returns))[6], summarise(prices_of(jumped))[6]

    assert abs(wild["market_return"][0] - calm["market_return"][0]) < 0.05 / stocks
    assert wild["dispersion"][0] < 0.02


def test_a_return_over_a_gap_is_not_one_of_the_day() -> None:
    prices = prices_of(np.random.default_rng(2).normal(0, 0.01, (DAYS, 4)))
    gap = pl.col("date").is_between(date(2024, 1, 3), date(2024, 1, 6)) & (pl.col("code") == "S000")
    back = date(2024, 1, 7)

    with_gap = summarise(prices.filter(~gap)).filter(date=back)
    without_stock = summarise(prices.filter(pl.col("code") != "S000")).filter(date=back)

    assert_frame_equal(with_gap.drop("traded"), without_stock.drop("traded"), check_exact=True)


def test_a_day_with_one_stock_does_not_change_the_returns_of_the_others() -> None:
    prices = prices_of(np.random.default_rng(3).normal(0, 0.01, (DAYS, 6)))
    lonely = (pl.col("date") != date(2024, 1, 6)) | (pl.col("code") == "S000")
    after = date(2024, 1, 7)

    found = summarise(prices.filter(lonely)).filter(date=after)
    others = summarise(prices.filter(pl.col("code") != "S000", pl.col("date") != date(2024, 1, 6))).filter(date=after)

    assert_frame_equal(found.drop("traded"), others.drop("traded"), check_exact=True)


@pytest.mark.parametrize("stocks", [1, 2, 3, 25])
def test_the_mean_moves_and_grows_with_the_returns(stocks: int) -> None:
    returns = np.random.default_rng(4).normal(0, 0.01, (DAYS, stocks))
    plain, moved = summarise(prices_of(returns)), summarise(prices_of(0.01 - 2 * returns))

    assert moved["market_return"][1:].to_numpy() == pytest.approx(
        0.01 - 2 * plain["market_return"][1:].to_numpy(), abs=1e-12
    )
    assert plain["dispersion"].null_count() == (DAYS if stocks == 1 else 1)
    if stocks > 1:
        assert moved["dispersion"][1:].to_numpy() == pytest.approx(2 * plain["dispersion"][1:].to_numpy())


def test_a_stock_that_returns_after_a_year_changes_no_others_residual(clean_prices: pl.DataFrame) -> None:
    days, code = clean_prices["date"].unique().sort(), clean_prices["code"][0]
    is_absent = (pl.col("code") == code) & pl.col("date").is_between(days[5], days[299])
    later = (pl.col("code") == code) & (pl.col("date") > days[299])
    prices = clean_prices.filter(~is_absent)
    risen = prices.with_columns(pl.when(later).then(20 * pl.col(q)).otherwise(q).alias(q) for q in ("open", "close"))
    risen = risen.with_columns(pl.when(later).then(25 * pl.col("high")).otherwise("high").alias("high"))

    before, after = (
        make_ml_dataset(table, make_params(FeatureParams)).filter(pl.col("code") != code, pl.col("date") == days[300])
        for table in (prices, risen)
    )

    assert before["residual_1"].equals(after["residual_1"])
    assert (after["residual_1"] > 0).mean() > 0.25


def test_the_summary_does_not_depend_on_the_batches_of_stocks(clean_prices: pl.DataFrame) -> None:
    sorted_prices = clean_prices.sort("code", "date")
    parts = [compute_returns(part) for part in sorted_prices.partition_by("code", maintain_order=True)]

    for whole, pieces in zip(summarise_market([compute_returns(sorted_prices)]), summarise_market(parts), strict=True):
        assert_frame_equal(whole, pieces, check_exact=True)
