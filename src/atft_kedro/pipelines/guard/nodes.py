"""Nodes that describe the features and inspect the ML dataset."""

from datetime import date
from functools import partial
from typing import Any

import polars as pl

from atft_kedro.features.build import FeatureParams
from atft_kedro.features.checks import find_feature_faults
from atft_kedro.features.feature import describe_columns
from atft_kedro.guard import inspection
from atft_kedro.guard.inspection import GuardParams
from atft_kedro.market.extra_tables import ExtraTables
from atft_kedro.reporting.html_pages import build_guard_page
from atft_kedro.schema import ColumnParams, feature_columns


def describe_features(mapped_dataset: pl.LazyFrame, params: FeatureParams) -> dict[str, Any]:
    """Build the feature catalogue of the dataset: families, definitions and their hash."""
    return describe_columns(feature_columns(mapped_dataset.collect_schema()), params.features())


def inspect_dataset(
    ml_dataset: pl.LazyFrame,
    extra_tables: ExtraTables,
    today: date,
    columns: ColumnParams,
    features: FeatureParams,
    params: GuardParams,
) -> tuple[dict[str, Any], str]:
    """Apply every rule; return the report as a dictionary and as an HTML page."""
    find_faults = partial(find_feature_faults, params=features)
    report = inspection.inspect_dataset(ml_dataset, columns, params, today, find_faults, extra_tables.tables)
    return report, build_guard_page(report)
