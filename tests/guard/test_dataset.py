"""Columns of the inspected dataset by role."""

import polars as pl

from atft_kedro.features.build import FEATURE_SETS
from atft_kedro.schema import ColumnParams
from factories.guard_reports import get_check, inspect
from factories.params import make_params


def test_a_dataset_with_mapped_column_names_is_inspected(ml_dataset: pl.DataFrame) -> None:
    names = {"date": "Date", "code": "Code", "close": "Close", **{f"target_{h}d": f"y{h}" for h in (1, 5, 10, 20)}}
    renamed = (
        ml_dataset.rename(names)
        .drop("open", "high", "low", "volume")
        .with_columns(pl.col("Date").cast(pl.Datetime("us")))
    )

    report = inspect(renamed, columns=make_params(ColumnParams, date="Date", code="Code", close="Close", target="y{h}"))

    assert report["targets"] == ["target_1d", "target_5d", "target_10d", "target_20d"]
    assert report["features"] == len(FEATURE_SETS["core"])
    assert get_check(report, "targets")["severity"] == "ok"


def test_a_vwap_column_is_a_price_and_not_a_feature(ml_dataset: pl.DataFrame) -> None:
    report = inspect(ml_dataset.with_columns(vwap="close"))

    assert report["features"] == len(FEATURE_SETS["core"])
    assert get_check(report, "unused")["severity"] == "ok"
