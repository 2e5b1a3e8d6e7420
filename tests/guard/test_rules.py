"""Every rule is broken once, on purpose, and by what it is meant for alone."""

import json
import math
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest

from atft_kedro.features.build import FEATURE_SETS
from atft_kedro.guard.calendars import count_sessions, sessions
from atft_kedro.guard.inspection import GuardParams, inspect_dataset, require_no_error
from atft_kedro.params import InputError
from atft_kedro.schema import ColumnParams
from factories.params import make_params

TODAY = date(2024, 6, 3)  # a Monday
HISTORICAL = {"recency": {"historical": True}}

Break = Callable[[pl.DataFrame], pl.DataFrame]


def inspect(
    dataset: pl.DataFrame, params: dict[str, Any] = HISTORICAL, columns: ColumnParams | None = None
) -> dict[str, Any]:
    return inspect_dataset(
        dataset.lazy(), columns or make_params(ColumnParams), make_params(GuardParams, **params), TODAY
    )


def severities(report: dict[str, Any]) -> dict[str, str]:
    return {check["name"]: check["severity"] for check in report["checks"] if check["severity"] in ("error", "warn")}


def get_check(report: dict[str, Any], rule: str) -> dict[str, Any]:
    return next(check for check in report["checks"] if check["name"] == rule)


def at(row: int, column: str, value: Any) -> Break:
    return lambda d: d.with_columns(pl.when(pl.int_range(pl.len()) == row).then(value).otherwise(column).alias(column))


def set_to(column: str, value: Any) -> Break:
    return lambda d: d.with_columns(value.cast(pl.Float32).alias(column))


def without(*days: int) -> Break:
    return lambda d: d.filter(~pl.col("date").is_in([d["date"].unique().sort()[day] for day in days]))


def move_days(days: int) -> Break:
    return lambda d: d.with_columns(pl.col("date") + timedelta(days=days))


def later(column: str, by: int) -> pl.Expr:
    return pl.col(column).shift(-by).over("code", order_by="date")


def halve_price(d: pl.DataFrame) -> pl.DataFrame:
    """An unadjusted 2:1 split of one stock, targets as the halved closes say."""
    quiet = d.filter(code=d["code"][0]).filter(pl.col("ret_1").abs() < 0.002)["date"][0]
    half = (pl.col("code") == d["code"][0]) & (pl.col("date") >= quiet)
    d = d.with_columns(
        pl.when(half).then(pl.col(q) / 2).otherwise(q).alias(q) for q in ("open", "high", "low", "close")
    )
    answers = [
        ((later("close", h) / pl.col("close")) - 1).cast(pl.Float32).alias(f"target_{h}d") for h in (1, 5, 10, 20)
    ]
    return d.with_columns(answers)


LEAK = {"leak": "error", "shifted_target": "error"}
BROKEN: dict[str, tuple[Break, dict[str, str]]] = {
    "no feature": (lambda d: d.select("date", "code", "close", "target_1d"), {"columns": "error"}),
    "no target": (lambda d: d.drop(f"target_{h}d" for h in (1, 5, 10, 20)), {}),
    "null code": (at(700, "code", None), {"columns": "error", "targets": "error"}),
    "whole numbers": (lambda d: d.with_columns(made=pl.lit(3)), {"unused": "warn"}),
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
    """What the rules say of the dataset before anything is broken."""
    return severities(inspect(ml_dataset))


def test_a_sound_dataset_passes(ml_dataset: pl.DataFrame, base: dict[str, str]) -> None:
    report = inspect(ml_dataset)

    assert "error" not in base.values()
    assert require_no_error(report)["passed"]
    assert report["rows"] == ml_dataset.height
    assert report["features"] == len(FEATURE_SETS["core"])


@pytest.mark.parametrize("what", BROKEN)
def test_rule_finds_what_it_is_for(ml_dataset: pl.DataFrame, base: dict[str, str], what: str) -> None:
    spoil, expected = BROKEN[what]

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
    assert found["rows"][0] == {"column": "hint", "what": "change over 1", "target": "target_1d", "ic": 1.0}


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


def test_an_honest_past_return_is_no_leak(ml_dataset: pl.DataFrame) -> None:
    past = ml_dataset.with_columns(later("target_5d", -5).cast(pl.Float32).alias("past"))

    report = inspect(past)

    assert get_check(report, "shifted_target")["severity"] == "ok"
    assert get_check(report, "leak")["severity"] == "ok"


def test_the_error_names_rule_columns_dates_codes_and_what_to_do(ml_dataset: pl.DataFrame) -> None:
    report = inspect(at(5000, "target_1d", 0.5)(ml_dataset))

    with pytest.raises(InputError) as stopped:
        require_no_error(report)

    row = ml_dataset.row(5000, named=True)
    for word in (
        "targets",
        "target_1d",
        str(row["date"]),
        row["code"],
        "close 1 observations later",
        "guard.targets.entry_lag",
    ):
        assert word in str(stopped.value)


def test_severity_decides(ml_dataset: pl.DataFrame) -> None:
    broken = at(5000, "target_1d", 0.5)(ml_dataset)

    for setting, severity in (("warn", "warn"), ("off", "skipped")):
        report = inspect(broken, HISTORICAL | {"targets": {"severity": setting}})

        assert get_check(report, "targets")["severity"] == severity
        require_no_error(report)


@pytest.mark.parametrize(
    ("age", "allowed", "severity"),
    [(0, 72, "ok"), (3, 24, "ok"), (3, 23, "error"), (5, 72, "ok"), (6, 72, "error")],
)
def test_recency_counts_trading_days(ml_dataset: pl.DataFrame, age: int, allowed: float, severity: str) -> None:
    """Today is a Monday: three days back is Friday, one trading day; five is Wednesday, three; six is Tuesday."""
    shift = TODAY - timedelta(days=age) - ml_dataset["date"].max()
    recent = ml_dataset.with_columns(pl.col("date") + shift)
    off = {"closed_days": {"severity": "off"}, "recency": {"historical": False, "max_age_hours": allowed}}

    assert get_check(inspect(recent, off), "recency")["severity"] == severity


def test_an_exchanges_calendar_knows_its_holidays(ml_dataset: pl.DataFrame) -> None:
    exchange = HISTORICAL | {"closed_days": {"calendar": "XNYS"}, "missing_days": {"calendar": "XNYS"}}

    report = inspect(ml_dataset, exchange)  # the simulated market trades on holidays

    assert get_check(report, "closed_days")["severity"] == "error"
    assert "2016-01-18" in get_check(report, "closed_days")["dates"]  # Martin Luther King Jr. Day
    with pytest.raises(InputError, match="Unknown calendar 'MARS'"):
        inspect(ml_dataset, HISTORICAL | {"closed_days": {"calendar": "MARS"}})


def test_a_dataset_with_names_of_its_own_is_read_as_it_is(ml_dataset: pl.DataFrame) -> None:
    names = {"date": "Date", "code": "Code", "close": "Close", **{f"target_{h}d": f"y{h}" for h in (1, 5, 10, 20)}}
    theirs = (
        ml_dataset.rename(names)
        .drop("open", "high", "low", "volume")
        .with_columns(pl.col("Date").cast(pl.Datetime("us")))
    )

    report = inspect(theirs, columns=make_params(ColumnParams, date="Date", code="Code", close="Close", target="y{h}"))

    assert report["targets"] == ["target_1d", "target_5d", "target_10d", "target_20d"]
    assert report["features"] == len(FEATURE_SETS["core"])
    assert get_check(report, "targets")["severity"] == "ok"


def test_decimal_quotes_and_targets_are_numbers(ml_dataset: pl.DataFrame) -> None:
    exact = pl.col("open", "high", "low", "close", "volume", "target_5d").cast(pl.Decimal(38, 8))

    report = inspect(ml_dataset.with_columns(exact))

    assert severities(report) == severities(inspect(ml_dataset))
    assert report["targets"] == ["target_1d", "target_5d", "target_10d", "target_20d"]


def test_a_datasets_own_vwap_is_a_price_and_no_feature(ml_dataset: pl.DataFrame) -> None:
    report = inspect(ml_dataset.with_columns(vwap="close"))

    assert report["features"] == len(FEATURE_SETS["core"])
    assert get_check(report, "unused")["severity"] == "ok"


def test_infinite_prices_are_text_in_the_report(ml_dataset: pl.DataFrame) -> None:
    report = inspect(at(700, "close", math.inf)(ml_dataset))

    assert get_check(report, "prices")["rows"][0]["close"] == "inf"
    json.dumps(report, allow_nan=False)


@pytest.mark.parametrize(("first", "last"), [(1, 2), (2, 2)])
def test_a_weekend_has_no_sessions(first: int, last: int) -> None:
    days = date(2024, 6, first), date(2024, 6, last)  # Saturday and Sunday

    assert count_sessions("XNYS", *days) == count_sessions("weekdays", *days) == 0
    assert sessions("XNYS", TODAY, TODAY).to_list() == [TODAY]


def test_a_dataset_without_prices_skips_what_needs_them(ml_dataset: pl.DataFrame) -> None:
    report = inspect(ml_dataset.drop("open", "high", "low", "close", "volume"))

    assert {name: get_check(report, name)["severity"] for name in ("prices", "splits", "targets")} == dict.fromkeys(
        ("prices", "splits", "targets"), "skipped"
    )


def test_an_absent_key_column_lists_what_is_there(ml_dataset: pl.DataFrame) -> None:
    with pytest.raises(InputError, match=r"no column \['code'\]; it has date, ticker, sector"):
        inspect(ml_dataset.rename({"code": "ticker"}))


def test_an_empty_dataset_is_an_error(ml_dataset: pl.DataFrame) -> None:
    with pytest.raises(InputError, match="no rows"):
        inspect(ml_dataset.clear())
