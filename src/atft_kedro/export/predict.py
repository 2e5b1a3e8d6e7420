"""Forecasts of an exported model for the newest days; an error if these days lack features or stocks."""

import logging
from collections.abc import Collection
from datetime import date
from typing import Annotated, Any

import numpy as np
import polars as pl
from pydantic import Field

from ..guard.calendars import count_sessions
from ..guard.keys import RecencyParams
from ..panel.scaler import FeatureCatalogue
from ..params import InputError, Params
from ..schema import CODE, DATE, ELIGIBLE
from .inference_inputs import InferenceInputs, exclude_stocks_with_unknown_features
from .model import Model
from .model_card import ModelCard

REFERENCE_DAYS = 20  # the usual number of stocks is the median over this many earlier days
MIN_TRAINED_STOCKS = 0.5  # share of the stocks of the training

_logger = logging.getLogger(__name__)

Share = Annotated[float, Field(ge=0, le=1)]


class PredictParams(Params):
    """The model, the days to forecast, and limits for old and for missing data.

    ``run`` is ``champion``, ``latest`` (the newest run with an exported model) or a run's name. ``max_age_days`` is the
    largest age of the newest day, in trading days of ``guard.recency.calendar``; null allows any age. A stock is not
    forecast if the (weighted) share of its unknown features exceeds ``max_unknown_features``. A day raises an error if
    the share of such stocks exceeds ``max_left_out_stocks``, or if the day has fewer stocks than ``min_stocks_share``
    of the usual number.
    """

    run: str
    days: Annotated[int, Field(gt=0)]
    max_age_days: Annotated[int, Field(ge=0)] | None
    max_unknown_features: Share
    max_left_out_stocks: Share
    min_stocks_share: Share


def predict(
    dataset: pl.LazyFrame,
    catalogue: FeatureCatalogue,
    entry_lag: int,
    model: Model,
    params: PredictParams,
) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Forecast the newest days of a dataset, and summarise the newest one."""
    model.card.inputs.require_same_features(catalogue, entry_lag)
    inputs = model.prepare(dataset, params.days)
    require_trained_stocks(inputs.universe[CODE].unique().to_list(), model.card)
    require_enough_stocks(inputs, params)
    known_inputs = exclude_stocks_with_unknown_features(
        inputs, model.card.inputs.scaler, params.max_unknown_features, params.max_left_out_stocks
    )
    forecasts = model.forecast_inputs(known_inputs)
    day = forecasts[DATE].max()
    last = inputs.day_indices[-1]
    count, universe_count = (int(prepared.reader.panel.eligible[last].sum()) for prepared in (known_inputs, inputs))
    _logger.info("forecast %d stocks with run %s, from the close of %s (the newest day)", count, model.card.run, day)
    summary = {"run": model.card.run, "forecasts_from": str(day), "stocks": count, "left_out": universe_count - count}
    return forecasts, summary


def require_trained_stocks(codes: Collection[str], card: ModelCard) -> None:
    """Refuse a market with fewer than half of the stocks that the model was trained on."""
    trained = card.inputs.codes
    known = len({*trained} & {*codes})
    if known < MIN_TRAINED_STOCKS * len(trained):
        raise InputError(
            f"Only {known} of the {len(trained)} stocks that run {card.run} was trained on are in this dataset. It was "
            "probably trained on another market: train here, or choose a run with predict.run."
        )


def require_recent(dataset: pl.LazyFrame, today: date, params: PredictParams, recency: RecencyParams) -> int | None:
    """Return the age of the newest day in trading days; refuse data older than ``max_age_days``.

    None if any age is allowed.
    """
    if params.max_age_days is None:
        return None
    last = dataset.select(pl.col(DATE).max()).collect().item()
    age = count_sessions(recency.calendar, last, today) if last < today else 0
    if age > params.max_age_days:
        raise InputError(
            f"The newest day, {last}, is {age} trading days old on {today}: load newer prices, or increase "
            f"predict.max_age_days (now {params.max_age_days}; null allows any age)."
        )
    return age


def require_enough_stocks(inputs: InferenceInputs, params: PredictParams) -> None:
    """Refuse a day with fewer stocks than ``min_stocks_share`` of the median of the days before.

    The median is over at most `REFERENCE_DAYS` days; a first day without earlier days is accepted.
    """
    counts = inputs.universe.group_by(DATE).agg(pl.col(ELIGIBLE).sum()).sort(DATE)
    stocks = counts[ELIGIBLE].to_numpy()
    for day in range(len(stocks) - inputs.days, len(stocks)):
        earlier = stocks[max(day - REFERENCE_DAYS, 0) : day]
        usual = float(np.median(earlier)) if len(earlier) else 0.0
        if stocks[day] < params.min_stocks_share * usual:
            raise InputError(
                f"{counts[DATE][day]} has {stocks[day]} stocks to forecast; the median of the {len(earlier)} days "
                f"before is {usual:g}. Load the missing prices, or decrease predict.min_stocks_share "
                f"(now {params.min_stocks_share:g})."
            )
