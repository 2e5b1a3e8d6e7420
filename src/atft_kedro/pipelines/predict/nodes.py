"""Nodes that check how old the data is and forecast its newest days.

``mapped_dataset`` is the ML dataset with the column names of this project.
"""

from datetime import date
from typing import Any

import polars as pl

from atft_kedro.export.model_folder import ExportedModels
from atft_kedro.export.predict import PredictParams, predict, require_recent
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
    """Compute the age of the newest day in trading days; an age above the limit is an error.

    ``guard_verdict`` is not read. As an input, it makes Kedro check the data first.
    """
    age = require_recent(mapped_dataset, today, params, guard.recency)
    return {"made_on": str(today), "age_in_trading_days": age}  # made_on: the date of the forecasts


def forecast_newest_days(  # noqa: PLR0913, PLR0917 — each argument is a separate dataset
    mapped_dataset: pl.LazyFrame,
    age_record: dict[str, Any],
    feature_catalogue: dict[str, Any],
    exported_models: ExportedModels,
    entry_lag: int,
    params: PredictParams,
    device: str,
) -> tuple[pl.DataFrame, str, dict[str, Any]]:
    """Forecast the newest days with an exported model.

    Returns the forecasts as a table and as CSV text, and a summary.
    """
    catalogue = FeatureCatalogue.of(feature_catalogue)
    forecasts, summary = predict(mapped_dataset, catalogue, entry_lag, exported_models, params, choose_device(device))
    return forecasts, forecasts.write_csv(), {**age_record, **summary}
