"""Forecasts of an exported model for the newest days; an error if these days lack features or stocks."""

import logging
from collections.abc import Collection
from dataclasses import replace
from datetime import date
from typing import Annotated, Any

import numpy as np
import polars as pl
import torch
from pydantic import Field

from ..guard.calendars import count_sessions
from ..guard.keys import RecencyParams
from ..panel.blocks import BlockReader
from ..panel.scaler import FeatureCatalogue, Scaler
from ..params import InputError, Params, list_names
from ..schema import CODE, DATE, ELIGIBLE
from ..training.hardware import CPU
from .inference_inputs import InferenceInputs
from .model import load_model
from .model_card import ModelCard
from .model_folder import ExportedModels

REFERENCE_DAYS = 20  # the usual number of stocks is the median over this many earlier days
LISTED_FEATURES = 5  # in messages
MIN_TRAINED_STOCKS = 0.5  # share of the stocks of the training

_logger = logging.getLogger(__name__)

Share = Annotated[float, Field(ge=0, le=1)]


class PredictParams(Params):
    """The model, the days to forecast, and limits for old and for missing data.

    ``run`` is a run's name, or ``latest``: the newest run with an exported model. ``max_age_days`` is the largest age
    of the newest day, in trading days of ``guard.recency.calendar``; null allows any age. A stock is not forecast if
    the (weighted) share of its unknown features exceeds ``max_unknown_features``. A day raises an error if the share of
    such stocks exceeds ``max_left_out_stocks``, or if the day has fewer stocks than ``min_stocks_share`` of the usual
    number.
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
    models: ExportedModels,
    params: PredictParams,
    device: torch.device = CPU,
) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Forecast the newest days of a dataset, and summarise the newest one."""
    model = load_model(models.find(params.run), device)
    model.card.inputs.require_same_features(catalogue, entry_lag)
    inputs = model.prepare(dataset, params.days)
    require_trained_stocks(inputs.universe[CODE].unique().to_list(), model.card)
    require_enough_stocks(inputs, params)
    known_inputs = exclude_stocks_with_unknown_features(inputs, model.card.inputs.scaler, params)
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
    for day in range(len(stocks) - inputs.reader.days, len(stocks)):
        earlier = stocks[max(day - REFERENCE_DAYS, 0) : day]
        usual = float(np.median(earlier)) if len(earlier) else 0.0
        if stocks[day] < params.min_stocks_share * usual:
            raise InputError(
                f"{counts[DATE][day]} has {stocks[day]} stocks to forecast; the median of the {len(earlier)} days "
                f"before is {usual:g}. Load the missing prices, or decrease predict.min_stocks_share "
                f"(now {params.min_stocks_share:g})."
            )


def exclude_stocks_with_unknown_features(
    inputs: InferenceInputs, scaler: Scaler, params: PredictParams
) -> InferenceInputs:
    """Exclude stocks of which more than ``max_unknown_features`` of the features are unknown.

    A feature is weighted by the share of training rows on which it was known, so that a feature that was rarely known
    in training hardly counts. A day with more than ``max_left_out_stocks`` of such stocks is refused.
    """
    panel = inputs.reader.panel
    weights = torch.tensor([1 - feature.missing for feature in scaler.features], device=panel.features.device)
    eligible = panel.eligible.clone()
    for day in inputs.day_indices.tolist():
        stocks = eligible[day].nonzero().flatten()
        is_unknown = panel.features[panel.row_of[day, stocks].long()].isnan()  # (stock, feature)
        is_excluded = (is_unknown * weights).sum(1) > params.max_unknown_features * weights.sum()
        count = int(is_excluded.sum())
        if count > params.max_left_out_stocks * len(is_unknown):
            raise InputError(_describe_unknown(panel.metadata.days[day], count, is_unknown, scaler, params))
        eligible[day, stocks[is_excluded]] = False
        if count:
            codes = [panel.metadata.codes[stock] for stock in stocks[is_excluded].tolist()]
            _logger.warning(
                "%s: %d of %d stocks are not forecast, because more than %g %% of their features are unknown "
                "(weighted by how often they were known in training): %s",
                *(panel.metadata.days[day], len(codes), len(stocks), 100 * params.max_unknown_features),
                list_names(codes),
            )
    reader = inputs.reader
    lookback = reader.steps - reader.days + 1
    known_reader = BlockReader(replace(panel, eligible=eligible), reader.graphs, lookback, reader.days)
    return replace(inputs, reader=known_reader)


def _describe_unknown(
    day: date, excluded_count: int, is_unknown: torch.Tensor, scaler: Scaler, params: PredictParams
) -> str:
    missing = torch.tensor([feature.missing for feature in scaler.features])
    excess = 100 * (is_unknown.float().mean(0).cpu() - missing)  # percentage points
    largest = excess.argsort(descending=True)[:LISTED_FEATURES].tolist()
    names = ", ".join(f"{scaler.features[column].name} ({excess[column]:+.0f} percentage points)" for column in largest)
    return (
        f"On {day}, {excluded_count} of {len(is_unknown)} stocks lack more than "
        f"{100 * params.max_unknown_features:g} % of the features known in training. Features that are unknown more "
        f"often than in training: {names}. Correct the prices or features of that day, or increase "
        f"predict.max_unknown_features or predict.max_left_out_stocks (now {params.max_left_out_stocks:g})."
    )
