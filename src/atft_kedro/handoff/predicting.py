"""Live forecasts: the chosen run's model on the newest days, or a plain answer why not."""

import logging
from datetime import date
from typing import Annotated

import polars as pl
import torch
from pydantic import Field

from ..guard.calendars import sessions_between
from ..guard.keys import RecencyParams
from ..panel.fitting import FeatureCatalogue
from ..params import InputError, Params
from ..schema import DATE
from ..training.device import CPU
from ..training.runs import LATEST
from .export import HandedModels
from .model import open_model

_logger = logging.getLogger(__name__)


class PredictParams(Params):
    """Whose model forecasts, how many of the newest days, and how old these may be.

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
    models: HandedModels,
    params: PredictParams,
    device: torch.device = CPU,
) -> pl.DataFrame:
    """Forecast the newest days of a dataset."""
    model = open_model(models.find(params.run), device)
    model.card.inputs.require_catalogue(catalogue, entry_lag)
    said = model.forecast(dataset, params.days)
    _logger.info("run %s forecasts %d stocks for %s", model.card.run, said["code"].n_unique(), said[DATE].max())
    return said


def require_fresh(dataset: pl.LazyFrame, today: date, params: PredictParams, recency: RecencyParams) -> None:
    """Refuse data whose newest day is old."""
    last = dataset.select(pl.col(DATE).max()).collect().item()
    if params.max_age_days is None or last >= today:
        return
    age = sessions_between(recency.calendar, last, today)
    if age > params.max_age_days:
        raise InputError(
            f"The newest day, {last}, is {age} trading days old on {today}: load newer prices, or raise "
            f"predict.max_age_days ({params.max_age_days}; null: any age)."
        )
