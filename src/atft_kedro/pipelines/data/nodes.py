"""Nodes that make the ML dataset."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import polars as pl

from atft_kedro import schema
from atft_kedro.features import build
from atft_kedro.features.sets import FeatureParams
from atft_kedro.market import admission
from atft_kedro.market.admission import AdmissionParams
from atft_kedro.market.benchmark_returns import Labels
from atft_kedro.schema import DATE, ColumnParams


def admit_prices(prices: pl.LazyFrame, today: date, params: AdmissionParams) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Clean the prices and report what was left out."""
    return admission.admit_prices(prices, params, newest=today)


def build_ml_dataset(clean_prices: pl.LazyFrame, labels: Labels, params: FeatureParams) -> Iterator[pl.DataFrame]:
    """Compute features and targets along each stock and across each day; labels have the last word on the next day."""
    dataset = build.build_ml_dataset(clean_prices, params)
    if labels.rows.is_empty():
        return dataset
    answers = labels.answer(clean_prices.select(DATE).collect()[DATE], params.entry_lag)
    return map(answers.put_into, dataset)


def map_columns(ml_dataset: pl.LazyFrame, columns: ColumnParams) -> pl.LazyFrame:
    """Give the ML dataset the project's column names and types."""
    return schema.map_columns(ml_dataset, columns)
