"""Nodes that check how old the data is, forecast its newest days and plan the positions.

``mapped_dataset`` is the ML dataset with the column names of this project.
"""

import logging
from datetime import date, datetime
from typing import Any

import polars as pl
from polars.exceptions import PolarsError

from atft_kedro.export.champion import CHALLENGER, CHAMPION
from atft_kedro.export.model import load_model
from atft_kedro.export.model_folder import ExportedModels
from atft_kedro.export.predict import PredictParams, predict, require_recent
from atft_kedro.guard.inspection import GuardParams
from atft_kedro.live.journal import make_entries
from atft_kedro.panel.scaler import FeatureCatalogue
from atft_kedro.params import InputError
from atft_kedro.positions import live
from atft_kedro.positions.plan import PositionParams
from atft_kedro.positions.simulate import require_possible
from atft_kedro.training.hardware import choose_device

CHALLENGER_ERRORS = (ValueError, RuntimeError, OSError, MemoryError, PolarsError)  # of its model, memory or files

_logger = logging.getLogger(__name__)


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
) -> tuple[pl.DataFrame, pl.DataFrame, str, dict[str, Any]]:
    """Forecast the newest days with the champion and with the challenger, or with a named run.

    Returns entries for the journal, which is written first, the forecasts as a table and as CSV text, and a summary.
    The challenger's forecasts are in the journal only; an error of its model does not stop the champion's.
    """
    catalogue, made_at, record = FeatureCatalogue.of(feature_catalogue), datetime.now(), exported_models.record
    run = record.champion if params.run == CHAMPION and record.champion is not None else params.run
    model = load_model(exported_models.find(run), choose_device(device))
    forecasts, summary = predict(mapped_dataset, catalogue, entry_lag, model, params)
    role = record.find_role(model.card.run)
    entries = [make_entries(mapped_dataset, forecasts, model.card, role, made_at)]
    if params.run == CHAMPION and record.challenger is not None:
        try:
            challenger = load_model(exported_models.find(record.challenger), choose_device(device))
            shadow, _ = predict(mapped_dataset, catalogue, entry_lag, challenger, params)
            entries.append(make_entries(mapped_dataset, shadow, challenger.card, CHALLENGER, made_at))
        except CHALLENGER_ERRORS as error:
            _logger.warning("the challenger, run %s, makes no forecast: %s", record.challenger, error)
    summary = {**age_record, "role": role, **summary}
    return pl.concat(entries, how="diagonal"), forecasts, forecasts.write_csv(), summary


def plan_positions(  # noqa: PLR0913, PLR0917 — each argument is a separate dataset
    predictions: pl.LazyFrame,
    predictions_summary: dict[str, Any],
    mapped_dataset: pl.LazyFrame,
    exported_models: ExportedModels,
    previous_positions: pl.LazyFrame,
    delistings: pl.DataFrame,
    params: PositionParams,
) -> tuple[pl.DataFrame, str, dict[str, Any]]:
    """Plan the positions of the newest day: a table, the same as CSV text, and a summary.

    Where positions are not possible, the reason is logged and the earlier table, which says what is held, is kept.
    """
    forecasts, previous, run = predictions.collect(), previous_positions.collect(), predictions_summary["run"]
    if previous.is_empty():
        previous = pl.DataFrame(schema=live.SCHEMA)
    try:
        require_possible(mapped_dataset, params)
        calibration = live.find_calibration(exported_models.runs, run)
        table, summary = live.plan_positions(forecasts, mapped_dataset, calibration, previous, delistings, params)
    except InputError as error:
        _logger.warning("No new positions; the earlier ones are kept: %s", error)
        table, summary = previous, {"reason": str(error)}
    return table, table.write_csv(), {"run": run, **summary}
