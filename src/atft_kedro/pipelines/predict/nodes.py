"""The node that forecasts live."""

from datetime import date
from typing import Any

import polars as pl

from atft_kedro.export import predict as predicting
from atft_kedro.export.model_folder import ExportedModels
from atft_kedro.export.predict import PredictParams
from atft_kedro.guard.inspection import GuardParams
from atft_kedro.panel.scaler import FeatureCatalogue
from atft_kedro.training.hardware import choose_device


def forecast_newest(  # noqa: PLR0913, PLR0917 — what is new, who forecasts it, and what may be refused
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
    """Forecast the newest days; the verdict is there because the guard lets the dataset pass."""
    age = predicting.count_age(mapped_dataset, today, params, guard.recency)
    catalogue, place = FeatureCatalogue.of(feature_catalogue), choose_device(device)
    forecasts, summary = predicting.predict(mapped_dataset, catalogue, entry_lag, exported_models, params, place)
    return forecasts, forecasts.write_csv(), {"made_on": str(today), "age_in_trading_days": age, **summary}
