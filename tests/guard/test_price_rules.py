"""Rules for prices and targets: decimals, infinite prices, and a dataset without prices."""

import json
import math

import polars as pl

from atft_kedro.features.build import FeatureParams
from factories.datasets import delist, make_ml_dataset
from factories.guard_reports import (
    at,
    get_check,
    inspect,
    severities,
)
from factories.params import make_params


def test_decimal_prices_and_targets_are_numbers(ml_dataset: pl.DataFrame) -> None:
    exact = pl.col("open", "high", "low", "close", "volume", "target_5d").cast(pl.Decimal(38, 8))

    report = inspect(ml_dataset.with_columns(exact))

    assert severities(report) == severities(inspect(ml_dataset))
    assert report["targets"] == ["target_1d", "target_5d", "target_10d", "target_20d"]


def test_infinite_prices_are_text_in_the_report(ml_dataset: pl.DataFrame) -> None:
    report = inspect(at(700, "close", math.inf)(ml_dataset))

    assert get_check(report, "prices")["rows"][0]["close"] == "inf"
    json.dumps(report, allow_nan=False)


def test_rules_for_prices_are_skipped_without_prices(ml_dataset: pl.DataFrame) -> None:
    report = inspect(ml_dataset.drop("open", "high", "low", "close", "volume"))

    assert {name: get_check(report, name)["severity"] for name in ("prices", "splits", "targets")} == dict.fromkeys(
        ("prices", "splits", "targets"), "skipped"
    )


def test_the_rule_for_targets_is_skipped_without_targets(ml_dataset: pl.DataFrame) -> None:
    report = inspect(ml_dataset.drop(name for name in ml_dataset.columns if name.startswith("target_")))

    assert get_check(report, "targets")["severity"] == "skipped"


def test_targets_that_contain_a_last_return_are_accepted_with_a_delisting_date(clean_prices: pl.DataFrame) -> None:
    prices = clean_prices.filter(pl.col("code") < "S0012")
    dataset = make_ml_dataset(prices, make_params(FeatureParams, entry_lag=1), delist(prices, -1.0, 0.0))
    settings = {"targets": {"entry_lag": 1}, "recency": {"historical": True}}

    report, undated = inspect(dataset, settings), inspect(dataset.drop("delisting_date"), settings)

    assert dataset.drop_nulls("delisting_date").filter(target_1d=-1).height == 1
    assert (get_check(report, "targets")["severity"], get_check(report, "unused")["count"]) == ("ok", 0)
    assert get_check(undated, "targets")["severity"] == "error"  # a target of 0 after the last close
