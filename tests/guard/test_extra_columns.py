"""Test that the guard finds values of extra tables that were not available at the close."""

from datetime import timedelta

import polars as pl
import pytest

from atft_kedro.features.extra import ColumnFeature
from atft_kedro.guard.dataset import InspectedDataset
from atft_kedro.guard.extra_columns import check_extra_columns
from atft_kedro.guard.inspection import GuardParams, inspect_dataset, require_no_error
from atft_kedro.guard.rule import RuleParams, RuleResult
from atft_kedro.market.extra_tables import ExtraTables
from atft_kedro.params import InputError
from atft_kedro.schema import ColumnParams
from factories.guard_reports import TODAY, get_check
from factories.params import make_params

BOTH, RANK = ColumnFeature(rank=True), ColumnFeature(value=False, rank=True)
ALL = pl.lit(True)


@pytest.fixture(scope="module")
def table(clean_prices: pl.DataFrame) -> pl.DataFrame:
    """A value for each stock and month, available from another day for each stock; some are unknown."""
    months = clean_prices.select("code", pl.col("date").dt.truncate("1mo")).unique().sort("code", "date")
    day = pl.col("date") + pl.duration(days=pl.col("code").rank("dense").cast(pl.Int64) % 28)
    value = pl.when(pl.int_range(pl.len()) % 9 > 0).then(pl.int_range(pl.len()) * 37 % 10_007 + 0.1)
    return months.select("code", day.alias("available_from"), value.alias("pe")).sort("code", "available_from")


def build(prices: pl.DataFrame, table: pl.DataFrame, column: ColumnFeature = BOTH) -> pl.LazyFrame:
    """Build the dataset's columns of a table as the pipeline does."""
    rows = ExtraTables(("pe",), {"table.csv": table}).join(prices).with_columns(pl.col("pe").cast(pl.Float32))
    features = column.declare("pe")
    rows = rows.with_columns(f.as_float32().over("date") for f in features)
    return rows.drop([] if column.value else "pe").lazy()


def move(table: pl.DataFrame, days: int, moved: pl.Expr = ALL) -> pl.DataFrame:
    day = pl.col("available_from")
    changed = table.with_columns(
        pl.when(moved).then(day + timedelta(days=days)).otherwise(day).alias(day.meta.output_name())
    )
    return changed.sort("code", "available_from")


def check(dataset: pl.LazyFrame, table: pl.DataFrame) -> RuleResult:
    return check_extra_columns(InspectedDataset(dataset), RuleParams(severity="error"), {"table.csv": table})


@pytest.mark.parametrize("column", [BOTH, RANK])
def test_a_correct_join_passes(clean_prices: pl.DataFrame, table: pl.DataFrame, column: ColumnFeature) -> None:
    result = check(build(clean_prices, table, column), table)

    assert (result.count, result.message) == (0, "no values other than those known at the close")


@pytest.mark.parametrize("days", [-1, 1])
@pytest.mark.parametrize("column", [BOTH, RANK])
def test_values_that_are_moved_by_one_day_are_found(
    clean_prices: pl.DataFrame, table: pl.DataFrame, days: int, column: ColumnFeature
) -> None:
    result = check(build(clean_prices, move(table, days), column), table)

    assert result.count > 20
    assert result.columns == ["pe" if column.value else "rank_pe"]


def test_one_value_used_one_day_early_is_named(clean_prices: pl.DataFrame, table: pl.DataFrame) -> None:
    stock = pl.col("code") == "S0003"
    before, day = clean_prices.filter(stock)["date"][99:101]
    others = table.filter(~stock | ~pl.col("available_from").is_between(before, day))
    values = {"code": ["S0003"], "available_from": [day], "pe": [-7.0]}
    true = pl.concat([others, pl.DataFrame(values)]).sort("code", "available_from")

    result = check(build(clean_prices, move(true, -(day - before).days, pl.col("pe") == -7)), true)

    assert (result.columns, result.codes, result.dates) == (["pe"], ["S0003"], [str(before)])
    assert [(row["value"], row["available_from"]) for row in result.rows] == [(-7.0, str(day))]


def test_the_guard_stops_a_run_that_uses_a_value_early(clean_prices: pl.DataFrame, table: pl.DataFrame) -> None:
    off = {name: {"severity": "off"} for name in GuardParams.model_fields if name != "extra_columns"}
    dataset, params = build(clean_prices, move(table, -1)), make_params(GuardParams, **off)

    report = inspect_dataset(dataset, make_params(ColumnParams), params, TODAY, tables={"table.csv": table})

    with pytest.raises(
        InputError, match="extra_columns: values other than those known at the close.*columns: pe; date"
    ):
        require_no_error(report)
    without_tables = inspect_dataset(dataset, make_params(ColumnParams), params, TODAY)
    assert get_check(without_tables, "extra_columns")["severity"] == "skipped"


def test_values_that_were_available_before_the_prices_are_looked_up(clean_prices: pl.DataFrame) -> None:
    day = clean_prices["date"].min() - timedelta(days=30)  # type: ignore[operator]
    table = pl.DataFrame({"code": ["S0003"], "available_from": [day], "pe": [1.5]})

    assert check(build(clean_prices, table), table).count == 0
    assert check(build(clean_prices, table.with_columns(pe=2.5)), table).codes == ["S0003"]
