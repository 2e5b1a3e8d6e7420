"""Baselines that a network is compared with: simple rules, and models trained on the same features and days."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import FunctionType
from typing import Annotated

import polars as pl
from pydantic import AfterValidator, Field

from ..params import InputError, Params, Unique
from ..plugins import load_plugin, require_name
from ..schema import CLOSE, CODE, DATE, FORECAST, HORIZON, SPLIT
from ..training.data import TrainingData
from .boosting import BoostingParams, fit_boosting
from .forecast_table import FORECAST_KEYS, add_forecaster
from .observations import Predictor, read_observations
from .quantiles import Units
from .ridge import RidgeParams, fit_ridge

ZERO = "zero"
NAMES = (ZERO, "reversal", "momentum", "ridge", "lightgbm")
Name = Annotated[str, AfterValidator(partial(require_name, kind="baselines", known=NAMES))]

_logger = logging.getLogger(__name__)


class BaselineParams(Params):
    """Which baselines are computed, and how.

    ``reversal`` is the negative return of the last ``reversal_days`` observations. ``momentum`` is the return between
    ``momentum_days`` and ``momentum_skip`` observations ago. ``ridge`` and ``lightgbm`` are fitted to the train days
    for each horizon and tuned on the validation days. A plug-in is a function of `BaselineInputs`.
    """

    names: Annotated[tuple[Name, ...], Unique]
    reversal_days: Annotated[int, Field(gt=0)]
    momentum_days: Annotated[int, Field(gt=0)]
    momentum_skip: Annotated[int, Field(ge=0)]
    ridge: RidgeParams
    lightgbm: BoostingParams


@dataclass(frozen=True)
class BaselineInputs:
    """The keys that baselines forecast, and the data that they use."""

    keys: pl.DataFrame  # date, code, split, horizon of the network's validation and test forecasts
    dataset: pl.LazyFrame
    training_data: TrainingData
    units: Units  # of the network's labels
    params: BaselineParams


def _forecast_zero(inputs: BaselineInputs) -> pl.DataFrame:
    return inputs.keys.with_columns(pl.lit(0.0).alias(FORECAST))


def _forecast_reversal(inputs: BaselineInputs) -> pl.DataFrame:
    close = pl.col(CLOSE)
    return _apply_rule(inputs, 1 - close / close.shift(inputs.params.reversal_days))


def _forecast_momentum(inputs: BaselineInputs) -> pl.DataFrame:
    close, params = pl.col(CLOSE), inputs.params
    return _apply_rule(inputs, close.shift(params.momentum_skip) / close.shift(params.momentum_days) - 1)


def _forecast_ridge(inputs: BaselineInputs) -> pl.DataFrame:
    return _predict(inputs, fit_ridge(inputs.training_data, inputs.units, inputs.params.ridge))


def _forecast_lightgbm(inputs: BaselineInputs) -> pl.DataFrame:
    return _predict(inputs, fit_boosting(inputs.training_data, inputs.units, inputs.params.lightgbm))


@dataclass(frozen=True)
class Baseline:
    """One baseline: its colour in figures, and the function that forecasts."""

    colour: str
    forecast: Callable[[BaselineInputs], pl.DataFrame]
    needs_closes: bool = False


BASELINES: dict[str, Baseline] = {
    "zero": Baseline("#c9ced6", _forecast_zero),
    "reversal": Baseline("#f3c06b", _forecast_reversal, needs_closes=True),
    "momentum": Baseline("#d9762b", _forecast_momentum, needs_closes=True),
    "ridge": Baseline("#4da167", _forecast_ridge),
    "lightgbm": Baseline("#a23b72", _forecast_lightgbm),
}


def forecast_baselines(
    forecasts: pl.DataFrame, dataset: pl.LazyFrame, training_data: TrainingData, units: Units, params: BaselineParams
) -> pl.DataFrame:
    """Forecast the validation and test keys of a network with every selected baseline."""
    keys = forecasts.filter(pl.col(SPLIT) != "train").select(FORECAST_KEYS)
    inputs = BaselineInputs(keys, dataset, training_data, units, params)
    has_closes = CLOSE in dataset.collect_schema()
    tables = [add_forecaster("", _forecast_zero(inputs).clear())]  # defines the columns if no baseline is selected
    for name, baseline in BASELINES.items():
        if name not in params.names:
            continue
        if baseline.needs_closes and not has_closes:
            _logger.warning("Baseline %s is omitted: the ML dataset has no column %r.", name, CLOSE)
            continue
        forecast = baseline.forecast(inputs)
        if forecast.is_empty():
            _logger.warning("Baseline %s has no forecasts: no stock has enough observations.", name)
        tables.append(add_forecaster(name, forecast))
    plugins = [name for name in params.names if name not in BASELINES]
    return pl.concat([*tables, *(_forecast_plugin(inputs, name) for name in plugins)])


def _forecast_plugin(inputs: BaselineInputs, name: str) -> pl.DataFrame:
    """Forecast with a plug-in; its forecaster is the object's name. Forecasts of other keys are left out."""
    forecast = load_plugin(name, "baselines", FunctionType)(inputs)
    columns = (*FORECAST_KEYS, FORECAST)
    if not isinstance(forecast, pl.DataFrame) or {*columns} - {*forecast.columns}:
        raise InputError(f"The baseline {name} must return a table with the columns {', '.join(columns)}.")
    known = forecast.select(columns).filter(pl.col(FORECAST).is_finite())
    return add_forecaster(name.rpartition(":")[2], inputs.keys.join(known, on=FORECAST_KEYS))


def _apply_rule(inputs: BaselineInputs, rule: pl.Expr) -> pl.DataFrame:
    """Compute an expression of closes over the observations of each stock."""
    closes = inputs.dataset.select(DATE, CODE, CLOSE).sort(DATE, maintain_order=True)
    values = closes.select(DATE, CODE, rule.over(CODE).alias(FORECAST)).drop_nulls().collect()
    return inputs.keys.join(values, on=[DATE, CODE])


def _predict(inputs: BaselineInputs, predict: Predictor) -> pl.DataFrame:
    """Forecast the keys with a fitted model."""
    metadata = inputs.training_data.panel.metadata
    days, codes = inputs.training_data.panel.days, pl.Series(metadata.codes, dtype=pl.String)
    tables = []
    for split in inputs.keys[SPLIT].unique(maintain_order=True):
        for rows in read_observations(inputs.training_data, split, inputs.units):
            prediction = predict(rows)
            keys = {DATE: days[rows.day.numpy()], CODE: codes.gather(rows.stock.numpy())}
            for column, horizon in enumerate(metadata.horizons):
                table = pl.DataFrame(keys | {FORECAST: prediction[:, column].numpy()})
                tables.append(table.with_columns(pl.lit(split).alias(SPLIT), pl.lit(horizon, pl.Int16).alias(HORIZON)))
    return inputs.keys.join(pl.concat(tables), on=FORECAST_KEYS)
