"""Live forecasts: the chosen run's model on the newest days, or a plain answer why not."""

import logging
from datetime import date
from typing import Annotated, Any

import polars as pl
import torch
from pydantic import Field

from ..guard.calendars import count_sessions
from ..guard.keys import RecencyParams
from ..panel.scaler import FeatureCatalogue
from ..params import InputError
from ..schema import DATE
from ..training.hardware import CPU
from ..training.runs import LATEST
from .export import ExportedModels
from .model import open_model
from .refusals import LiveLimits, leave_out_unknown, require_stocks

_logger = logging.getLogger(__name__)


class PredictParams(LiveLimits):
    """Whose model forecasts, how many of the newest days, and how old and how incomplete these may be.

    ``run`` is a run's name, or ``latest``: the newest that has handed a model on. The age is counted in trading days
    of the guard's recency calendar; null lets it be any, as that of a simulated market is.
    """

    run: str = LATEST
    days: Annotated[int, Field(gt=0)] = 1
    max_age_days: Annotated[int, Field(ge=0)] | None = None


def predict(
    dataset: pl.LazyFrame,
    catalogue: FeatureCatalogue,
    entry_lag: int,
    models: ExportedModels,
    params: PredictParams,
    device: torch.device = CPU,
) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Forecast the newest days of a dataset, and write down of what they were made."""
    model = open_model(models.find(params.run), device)
    model.card.inputs.require_features(catalogue, entry_lag)
    newest = model.read(dataset, params.days)
    require_stocks(newest, params)
    kept = leave_out_unknown(newest, model.card.inputs.scaler, params)
    forecasts = model.forecast_newest(kept)
    day = forecasts[DATE].max()
    last = newest.asked[-1]
    stocks, universe = (int(each.reader.panel.eligible[last].sum()) for each in (kept, newest))
    _logger.info("run %s forecasts %d stocks from the close of %s", model.card.run, stocks, day)
    summary = {"run": model.card.run, "forecasts_from": str(day), "stocks": stocks, "left_out": universe - stocks}
    return forecasts, summary


def count_age(dataset: pl.LazyFrame, today: date, params: PredictParams, recency: RecencyParams) -> int | None:
    """Count how many trading days old the newest day is, and refuse what is too old; null where any age is allowed."""
    if params.max_age_days is None:
        return None
    last = dataset.select(pl.col(DATE).max()).collect().item()
    age = count_sessions(recency.calendar, last, today) if last < today else 0
    if age > params.max_age_days:
        raise InputError(
            f"The newest day, {last}, is {age} trading days old on {today}: load newer prices, or raise "
            f"predict.max_age_days ({params.max_age_days}; null: any age)."
        )
    return age
