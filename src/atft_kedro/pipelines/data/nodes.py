"""Nodes that make the ML dataset."""

from collections.abc import Iterator
from typing import Any

import polars as pl

from atft_kedro.features.cross_section import build_ml_dataset as join_periods
from atft_kedro.features.feature import describe_catalogue
from atft_kedro.features.sets import FeatureParams
from atft_kedro.features.stock_features import build_stock_features as compute_stocks
from atft_kedro.market import admission
from atft_kedro.market.admission import AdmissionParams
from atft_kedro.schema import today


def admit_prices(prices: pl.LazyFrame, params: AdmissionParams) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Clean the prices and report what was left out."""
    return admission.admit_prices(prices, params, newest=today())


def describe_features(params: FeatureParams) -> dict[str, Any]:
    """Write the feature catalogue."""
    return describe_catalogue(params.features())


def build_stock_features(clean_prices: pl.LazyFrame, params: FeatureParams) -> Iterator[tuple[str, pl.DataFrame]]:
    """Compute every stock's own features and targets, in parts."""
    return compute_stocks(clean_prices, params)


def build_ml_dataset(stock_features: list[pl.LazyFrame], params: FeatureParams) -> Iterator[pl.DataFrame]:
    """Add what compares stocks inside a day, and lay the dataset out by date."""
    return join_periods(stock_features, params)
