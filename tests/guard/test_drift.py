"""Features that are missing on the newest days of live data."""

import polars as pl
import pytest

from factories.guard_reports import get_check, inspect, severities


@pytest.mark.parametrize(("historical", "severity"), [(False, "error"), (True, "skipped")])
def test_features_that_die_on_the_newest_day_stop_live_data(
    ml_dataset: pl.DataFrame, historical: bool, severity: str
) -> None:
    last = pl.col("date") == pl.col("date").max()
    died = ml_dataset.with_columns(pl.when(~last).then(pl.col("vol_20", "ret_1")).name.keep())
    params = {"recency": {"historical": historical, "max_age_hours": 1e9}}

    found = get_check(inspect(died, params), "newest_features")

    assert found["severity"] == severity
    assert set(found["columns"]) == (set() if historical else {"vol_20", "ret_1"})
    assert get_check(inspect(ml_dataset, params), "newest_features")["severity"] in ("ok", "skipped")


def test_a_feature_that_one_stock_alone_has_on_the_newest_day_stops_live_data(ml_dataset: pl.DataFrame) -> None:
    newest = ml_dataset.filter(pl.col("date") == pl.col("date").max())
    lost = (pl.col("date") == newest["date"][0]) & (pl.col("code") != newest["code"][0])
    died = ml_dataset.with_columns(ret_1=pl.when(~lost).then("ret_1"))

    found = get_check(inspect(died, {"recency": {"historical": False, "max_age_hours": 1e9}}), "newest_features")

    assert (found["severity"], found["columns"]) == ("error", ["ret_1"])


def test_live_data_without_features_is_reported(ml_dataset: pl.DataFrame) -> None:
    bare = ml_dataset.select("date", "code", "close", "target_1d")

    report = inspect(bare, {"recency": {"historical": False, "max_age_hours": 1e9}})

    assert severities(report)["columns"] == "error"
    assert get_check(report, "newest_features")["severity"] == "skipped"
