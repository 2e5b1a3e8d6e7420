"""A split adjusts the whole price history anew; this changes no return of the journal."""

from datetime import date

import polars as pl
import pytest

from atft_kedro.features.build import FeatureParams
from atft_kedro.schema import CODE
from factories.datasets import make_ml_dataset
from factories.live_forecasts import both_horizons, make_champion, monitor, to_journal
from factories.params import make_params

SPLIT = 4  # new shares for an old one


def add_features(dataset: pl.DataFrame) -> pl.DataFrame:
    """Add the features that the champion of the tests reads."""
    return dataset.with_columns(known=pl.col("ret_1"), partly=pl.col("ret_5"))


def test_scores_are_the_same_after_prices_were_adjusted_for_a_split(clean_prices: pl.DataFrame) -> None:
    code = clean_prices.filter(pl.col("date") == pl.col("date").max())[CODE][0]
    prices = [
        pl.when(pl.col(CODE) == code).then(pl.col(name) / SPLIT).otherwise(name).alias(name)
        for name in ("open", "high", "low", "close")
    ]
    volume = pl.when(pl.col(CODE) == code).then(pl.col("volume") * SPLIT).otherwise("volume").alias("volume")
    adjusted_prices = clean_prices.with_columns(*prices, volume)
    before, after = (
        add_features(make_ml_dataset(table, make_params(FeatureParams))) for table in (clean_prices, adjusted_prices)
    )
    forecasts = both_horizons(before.filter(pl.col("date") > date(2016, 9, 1)), 0.2)
    closes = before.select("date", CODE, "close")  # as the journal stored them, before the split
    journal = to_journal(forecasts.join(closes, on=["date", CODE]))

    reports = [monitor(dataset, journal, make_champion()).report for dataset in (before, after)]

    assert (
        after.filter(pl.col(CODE) == code)["close"].to_list() != before.filter(pl.col(CODE) == code)["close"].to_list()
    )
    for horizon, score in reports[0].live.items():
        assert reports[1].live[horizon].rank_ic.mean == pytest.approx(score.rank_ic.mean, abs=1e-6)
        assert reports[1].live[horizon].rank_ic.days == score.rank_ic.days
    assert reports[1].status == reports[0].status
