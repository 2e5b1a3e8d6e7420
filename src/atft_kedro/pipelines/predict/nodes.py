"""Nodes that check the age of the newest day and forecast it."""

from datetime import date
from typing import Any

import polars as pl

from atft_kedro.export import predict as predicting
from atft_kedro.export.model_folder import ExportedModels
from atft_kedro.export.predict import PredictParams
from atft_kedro.guard.inspection import GuardParams
from atft_kedro.panel.scaler import FeatureCatalogue
from atft_kedro.training.hardware import choose_device


def check_data_age(
    mapped_dataset: pl.LazyFrame,
    guard_verdict: dict[str, Any],
    today: date,
    guard: GuardParams,
    params: PredictParams,
) -> dict[str, Any]:
    """Count the age of the newest day and refuse old data.

    The verdict is an input so that only data that has passed the guard is forecast.
    """
    age = predicting.require_recent(mapped_dataset, today, params, guard.recency)
    return {"made_on": str(today), "age_in_trading_days": age}


def forecast_newest_days(  # noqa: PLR0913, PLR0917 — the data and its description, the models and the parameters
    mapped_dataset: pl.LazyFrame,
    data_age: dict[str, Any],
    feature_catalogue: dict[str, Any],
    exported_models: ExportedModels,
    entry_lag: int,
    params: PredictParams,
    device: str,
) -> tuple[pl.DataFrame, str, dict[str, Any]]:
    """Forecast the newest days with an exported model: a table, the same as CSV, and a summary."""
    catalogue = FeatureCatalogue.of(feature_catalogue)
    forecasts, summary = predicting.predict(
        mapped_dataset, catalogue, entry_lag, exported_models, params, choose_device(device)
    )
    return forecasts, forecasts.write_csv(), {**data_age, **summary}
