"""Every guard rule finds a dataset that breaks it, and sound data breaks none."""

import math
from datetime import date

import polars as pl
import pytest

from atft_kedro.features.build import FEATURE_SETS
from atft_kedro.guard.inspection import require_no_error
from atft_kedro.params import InputError
from factories.guard_reports import (
    HISTORICAL,
    Break,
    at,
    get_check,
    inspect,
    later,
    move_days,
    set_to,
    severities,
    without,
)


def halve_price(d: pl.DataFrame) -> pl.DataFrame:
    """An unadjusted 2:1 split of one stock, targets as the halved closes say."""
    quiet = d.filter(code=d["code"][0]).filter(pl.col("ret_1").abs() < 0.002)["date"][0]
    half = (pl.col("code") == d["code"][0]) & (pl.col("date") >= quiet)
    d = d.with_columns(
        pl.when(half).then(pl.col(q) / 2).otherwise(q).alias(q) for q in ("open", "high", "low", "close")
    )
    targets = [
        ((later("close", h) / pl.col("close")) - 1).cast(pl.Float32).alias(f"target_{h}d") for h in (1, 5, 10, 20)
    ]
    return d.with_columns(targets)


LEAK = {"leak": "error", "shifted_target": "error"}
BROKEN: dict[str, tuple[Break, dict[str, str]]] = {
    "no feature": (lambda d: d.select("date", "code", "close", "target_1d"), {"columns": "error"}),
    "no target": (lambda d: d.drop(f"target_{h}d" for h in (1, 5, 10, 20)), {}),
    "null code": (at(700, "code", None), {"columns": "error", "targets": "error"}),
    "whole numbers": (lambda d: d.with_columns(integers=pl.lit(3)), {"unused": "warn"}),
    "a row twice": (lambda d: pl.concat([d, d[900]]), {"duplicates": "error", "order": "warn", "targets": "error"}),
    "backwards": (lambda d: d.reverse(), {"order": "warn"}),
    "a weekend": (move_days(5), {"closed_days": "error", "missing_days": "warn"}),
    "a lost day": (without(100), {"missing_days": "warn", "targets": "error"}),
    "the future": (move_days(7 * 470), {"future": "error"}),
    "a thin day": (
        lambda d: d.filter((pl.col("date") != d["date"][4000]) | (pl.col("code").hash() % 3 == 0)),
        {"day_coverage": "warn", "targets": "error"},
    ),
    "a holed stock": (
        lambda d: d.filter((pl.col("code") != d["code"][0]) | (pl.col("date").dt.ordinal_day() % 2 == 0)),
        {"stock_coverage": "warn", "targets": "error"},
    ),
    "nan": (at(800, "vol_20", math.nan), {"finite": "error"}),
    "infinity": (at(800, "ret_1", math.inf), {"finite": "error"}),
    "infinite target": (at(800, "target_5d", math.inf), {"finite": "error", "targets": "error"}),
    "mostly unknown": (set_to("vol_20", pl.when(pl.int_range(pl.len()) % 9 == 0).then("vol_20")), {"missing": "warn"}),
    "one value": (set_to("vol_20", pl.lit(0.5)), {"constant": "error"}),
    "all unknown": (set_to("vol_20", pl.lit(None)), {"missing": "warn"}),
    "outliers": (
        set_to("vol_20", pl.when(pl.int_range(pl.len()) % 50 == 0).then(1e6).otherwise("vol_20")),
        {"outliers": "warn"},
    ),
    "zero low": (at(5000, "low", 0.0), {"prices": "error"}),
    "high below low": (at(5000, "high", 1e-3), {"prices": "error"}),
    "a split": (halve_price, {"splits": "warn"}),
    "wrong target": (at(5000, "target_1d", 0.5), {"targets": "error"}),
    "filled target": (set_to("target_20d", pl.col("target_20d").fill_null(0)), {"targets": "error"}),
    "target as feature": (set_to("hint", pl.col("target_5d") * 3 + 1), {**LEAK, "future_price": "error"}),
    "noisy target": (
        set_to("hint", pl.col("target_5d").rank() / 1e4 + pl.col("ret_1") * 3),
        {"leak": "error"},
    ),
    "tomorrow's target": (set_to("hint", later("target_1d", 1)), LEAK),
    "a target that still holds the future": (
        set_to("hint", later("target_20d", -12)),
        {**LEAK, "future_price": "error"},
    ),
    "tomorrow's close": (set_to("hint", later("close", 1)), {"future_price": "error"}),
    "tomorrow's close in other units": (
        set_to("hint", later("close", 1) * (1 + pl.col("code").hash(1) % 9)),
        {"future_price": "error"},
    ),
    "the mean close of the week to come": (
        set_to("hint", pl.mean_horizontal(later("close", day) for day in range(1, 6))),
        {"future_price": "error"},
    ),
    "tomorrow's open": (set_to("hint", later("open", 1)), {"future_price": "error"}),
    "another market at the end": (
        set_to("ret_20", pl.when(pl.col("date") > date(2017, 2, 20)).then(pl.col("ret_20") + 0.5).otherwise("ret_20")),
        {"drift": "warn"},
    ),
}


@pytest.fixture(scope="module")
def base(ml_dataset: pl.DataFrame) -> dict[str, str]:
    """Return the severities of the rules for the unchanged dataset."""
    return severities(inspect(ml_dataset))


def test_a_sound_dataset_passes(ml_dataset: pl.DataFrame, base: dict[str, str]) -> None:
    report = inspect(ml_dataset)

    assert "error" not in base.values()
    assert require_no_error(report)["passed"]
    assert report["rows"] == ml_dataset.height
    assert report["features"] == len(FEATURE_SETS["core"])


@pytest.mark.parametrize("fault", BROKEN)
def test_every_rule_finds_its_fault_only(ml_dataset: pl.DataFrame, base: dict[str, str], fault: str) -> None:
    spoil, expected = BROKEN[fault]

    found = severities(inspect(spoil(ml_dataset)))

    assert expected.items() <= found.items()
    errors = {rule for rule, severity in found.items() if severity == "error"}
    assert errors == {rule for rule, severity in expected.items() if severity == "error"}


def test_a_price_of_the_future_is_found_without_a_close_and_with_a_later_entry(ml_dataset: pl.DataFrame) -> None:
    late = ml_dataset.with_columns(later(f"target_{h}d", 1).alias(f"target_{h}d") for h in (1, 5, 10, 20))
    spoilt = late.with_columns(hint=later("close", 1).cast(pl.Float32)).drop("open", "high", "low", "close")

    report = inspect(spoilt, HISTORICAL | {"future_price": {"entry_lag": 1}})

    found = get_check(report, "future_price")
    assert found["columns"] == ["hint"]
    assert found["rows"][0] == {"column": "hint", "transformation": "change over 1", "target": "target_1d", "ic": 1.0}


def test_a_past_return_is_not_a_leak(ml_dataset: pl.DataFrame) -> None:
    past = ml_dataset.with_columns(later("target_5d", -5).cast(pl.Float32).alias("past"))

    report = inspect(past)

    assert get_check(report, "shifted_target")["severity"] == "ok"
    assert get_check(report, "leak")["severity"] == "ok"


def test_the_error_names_the_rule_columns_dates_codes_and_the_remedy(ml_dataset: pl.DataFrame) -> None:
    report = inspect(at(5000, "target_1d", 0.5)(ml_dataset))

    with pytest.raises(InputError) as stopped:
        require_no_error(report)

    row = ml_dataset.row(5000, named=True)
    for word in (
        "targets",
        "target_1d",
        str(row["date"]),
        row["code"],
        "close[t+1] / close[t] - 1",
        "guard.targets.entry_lag",
    ):
        assert word in str(stopped.value)


def test_only_the_severity_error_stops_a_run(ml_dataset: pl.DataFrame) -> None:
    broken = at(5000, "target_1d", 0.5)(ml_dataset)

    for setting, severity in (("warn", "warn"), ("off", "skipped")):
        report = inspect(broken, HISTORICAL | {"targets": {"severity": setting}})

        assert get_check(report, "targets")["severity"] == severity
        require_no_error(report)


def test_a_missing_key_column_is_refused_with_the_existing_ones(ml_dataset: pl.DataFrame) -> None:
    with pytest.raises(InputError, match=r"no column \['code'\]; it has date, ticker, sector"):
        inspect(ml_dataset.rename({"code": "ticker"}))


def test_an_empty_dataset_is_an_error(ml_dataset: pl.DataFrame) -> None:
    with pytest.raises(InputError, match="no rows"):
        inspect(ml_dataset.clear())
