"""The node that makes live forecasts."""

from datetime import date
from typing import Any

import polars as pl

from atft_kedro.export import predict as predicting
from atft_kedro.export.model_folder import ExportedModels
from atft_kedro.export.predict import PredictParams
from atft_kedro.guard.inspection import GuardParams
from atft_kedro.panel.scaler import FeatureCatalogue
from atft_kedro.training.hardware import choose_device


def forecast_newest(  # noqa: PLR0913, PLR0917 — data, models and the parameters of their checks
    mapped_dataset: pl.LazyFrame,
    guard_verdict: dict[str, Any],
    feature_catalogue: dict[str, Any],
    exported_models: ExportedModels,
    today: date,
    entry_lag: int,
    guard: GuardParams,
    params: PredictParams,
    device: str,
) -> tuple[pl.DataFrame, str, dict[str, Any]]:
    """Forecast the newest days; the verdict is an input so that only checked data is forecast."""
    age = predicting.require_recent(mapped_dataset, today, params, guard.recency)
    catalogue = FeatureCatalogue.of(feature_catalogue)
    forecasts, summary = predicting.predict(
        mapped_dataset, catalogue, entry_lag, exported_models, params, choose_device(device)
    )
    return forecasts, forecasts.write_csv(), {"made_on": str(today), "age_in_trading_days": age, **summary}
