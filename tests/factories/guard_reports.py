"""Guard reports of datasets with one fault, and the functions that make the faults."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import polars as pl

from atft_kedro.guard.inspection import GuardParams, inspect_dataset
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
