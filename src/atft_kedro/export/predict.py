"""Live forecasts of an exported model, or a refusal when the newest days lack features or stocks."""

import logging
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
from ..params import InputError, Params
from ..schema import DATE, ELIGIBLE
from ..training.hardware import CPU
from .inference_inputs import InferenceInputs
from .model import load_model
from .model_folder import ExportedModels

REFERENCE_DAYS = 20  # earlier days whose median number of stocks is the usual one

_logger = logging.getLogger(__name__)

Share = Annotated[float, Field(ge=0, le=1)]


class PredictParams(Params):
    """The model, the days to forecast, and limits of their age and of missing data.

    ``run`` is a run's name, or ``latest``: the newest run with an exported model. The age is counted in trading days of
    the guard's recency calendar; null allows any age. A stock with a larger share of unknown features than
    ``max_unknown_features`` is not forecast. A day is refused with a larger share of such stocks than
    ``max_left_out_stocks``, or with fewer stocks than ``min_stocks_share`` of the usual number.
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
    """Forecast the newest days of a dataset; return the forecasts and a summary."""
    model = load_model(models.find(params.run), device)
    model.card.inputs.require_features(catalogue, entry_lag)
    inputs = model.prepare(dataset, params.days)
    require_usual_stocks(inputs, params)
    kept = exclude_unknown(inputs, model.card.inputs.scaler, params)
    forecasts = model.forecast_inputs(kept)
    day = forecasts[DATE].max()
    last = inputs.day_indices[-1]
    stocks, universe = (int(part.reader.panel.eligible[last].sum()) for part in (kept, inputs))
    _logger.info("run %s forecasts %d stocks from the close of %s", model.card.run, stocks, day)
    summary = {"run": model.card.run, "forecasts_from": str(day), "stocks": stocks, "left_out": universe - stocks}
    return forecasts, summary


def count_age(dataset: pl.LazyFrame, today: date, params: PredictParams, recency: RecencyParams) -> int | None:
    """Count the age of the newest day in trading days; refuse old data.

    None if any age is allowed.
    """
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


def require_usual_stocks(inputs: InferenceInputs, params: PredictParams) -> None:
    """Refuse a day with far fewer stocks in the universe than the 20 days before."""
    counts = inputs.universe.group_by(DATE).agg(pl.col(ELIGIBLE).sum()).sort(DATE)
    stocks = counts[ELIGIBLE].to_numpy()
    for day in range(len(stocks) - inputs.reader.days, len(stocks)):
        earlier = stocks[max(day - REFERENCE_DAYS, 0) : day]
        usual = float(np.median(earlier)) if len(earlier) else 0.0
        if stocks[day] < params.min_stocks_share * usual:
            raise InputError(
                f"{counts[DATE][day]} has {stocks[day]} stocks to forecast, the {len(earlier)} days before had "
                f"{usual:g} in the median: load the missing prices, or lower predict.min_stocks_share "
                f"({params.min_stocks_share:g})."
            )


def exclude_unknown(inputs: InferenceInputs, scaler: Scaler, params: PredictParams) -> InferenceInputs:
    """Exclude stocks whose features are mostly unknown; refuse a day with too many of them.

    A feature is weighted by the share of training rows on which it was known.
    """
    panel = inputs.reader.panel
    weights = torch.tensor([1 - feature.missing for feature in scaler.features], device=panel.features.device)
    eligible = panel.eligible.clone()
    for day in inputs.day_indices.tolist():
        stocks = eligible[day].nonzero().flatten()
        unknown = panel.features[panel.row_of[day, stocks].long()].isnan()  # (stock, feature)
        excluded = (unknown * weights).sum(1) > params.max_unknown_features * weights.sum()
        if excluded.sum() > params.max_left_out_stocks * len(unknown):
            raise InputError(_describe_unknown(panel.metadata.days[day], int(excluded.sum()), unknown, scaler, params))
        eligible[day, stocks[excluded]] = False
        if excluded.any():
            codes = [panel.metadata.codes[stock] for stock in stocks[excluded].tolist()]
            _logger.warning(
                "%s: %d of %d stocks are not forecast, more than %g %% of the features known in training are unknown: "
                "%s",
                *(panel.metadata.days[day], len(codes), len(stocks), 100 * params.max_unknown_features),
                ", ".join(codes[:8]) + (" …" if len(codes) > 8 else ""),
            )
    reader = inputs.reader
    kept = BlockReader(replace(panel, eligible=eligible), reader.graphs, reader.steps - reader.days + 1, reader.days)
    return replace(inputs, reader=kept)


def _describe_unknown(day: date, excluded: int, unknown: torch.Tensor, scaler: Scaler, params: PredictParams) -> str:
    missing = torch.tensor([feature.missing for feature in scaler.features])
    excess = unknown.float().mean(0).cpu() - missing
    worst = excess.argsort(descending=True)[:5].tolist()
    names = ", ".join(f"{scaler.features[column].name} ({100 * excess[column]:+.0f} %)" for column in worst)
    return (
        f"On {day}, {excluded} of {len(unknown)} stocks lack more than {100 * params.max_unknown_features:g} % of the "
        f"features known in training. Features that are unknown more often than in training: {names}. Correct the "
        "prices or features of that day, or raise predict.max_unknown_features or predict.max_left_out_stocks "
        f"({params.max_left_out_stocks:g})."
    )
