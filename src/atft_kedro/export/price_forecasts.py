"""Forecasts from prices: the observations that they give, the stocks left out and why."""

from dataclasses import dataclass

import polars as pl

from ..features.build import build_ml_dataset
from ..guard.calendars import last_finished_day
from ..market.cleaning import clean_price_table
from ..params import InputError
from ..schema import CODE, DATE, ELIGIBLE, QUOTES, VWAP
from .inference_inputs import parse_keys
from .model_card import ModelInputs, PriceInputs

COMPLETE_SHARE = 0.8  # smallest share of the usual stocks in a complete request
REASON, IS_INCOMPLETE = "reason", "is_incomplete"


@dataclass(frozen=True)
class PriceForecasts:
    """Forecasts from prices, and the stocks that have none on the newest day.

    ``forecasts`` are as those of `Model.forecast`. ``left_out`` has the columns date (the newest day), code and reason.
    A request is incomplete if fewer than `COMPLETE_SHARE` of the usual number of stocks are known from the training and
    have a price on the newest day.
    """

    forecasts: pl.DataFrame
    left_out: pl.DataFrame
    is_incomplete: bool

    def to_table(self) -> pl.DataFrame:
        """Append the left-out stocks to the forecasts, with a reason and nulls for all else."""
        table = pl.concat([self.forecasts, self.left_out], how="diagonal")
        return table.with_columns(pl.lit(self.is_incomplete).alias(IS_INCOMPLETE))


def parse_prices(prices: pl.DataFrame | pl.LazyFrame, inputs: PriceInputs) -> pl.LazyFrame:
    """Rename the columns to lower case, parse dates and codes, and refuse text for numbers."""
    frame = prices.lazy()
    names = frame.collect_schema().names()
    lower = {name: name.strip().lower() for name in names}
    if repeated := [name for name in names if list(lower.values()).count(lower[name]) > 1]:
        raise InputError(f"The prices have the columns {repeated}: name each column once.")
    frame = frame.rename(lower)
    schema = frame.collect_schema()
    missing = [name for name in inputs.columns if name not in schema]
    if missing:
        raise InputError(f"The prices lack the columns {missing}; the model needs {', '.join(inputs.columns)}.")
    for name in (*QUOTES, VWAP, *inputs.features.columns):
        if name in schema and not (schema[name].is_numeric() or schema[name] == pl.Null):
            raise InputError(f"The column {name!r} is {schema[name]}: convert it to numbers.")
    return parse_keys(frame)


def compute_observations(prices: pl.LazyFrame, inputs: PriceInputs) -> pl.DataFrame:
    """Clean parsed prices and compute the features and targets, as in the training."""
    today = last_finished_day(inputs.calendar, inputs.time_zone)
    clean_prices, _ = clean_price_table(prices, inputs.cleaning, today, inputs.features.columns)
    return pl.concat(build_ml_dataset(clean_prices.lazy(), inputs.features))


def collect_price_forecasts(
    forecasts: pl.DataFrame, requested: pl.Series, universe: pl.DataFrame, model: ModelInputs
) -> PriceForecasts:
    """List the requested codes without a forecast on the newest day.

    The reason is the first that applies. ``universe`` has a row for each observation.
    """
    newest, needed = universe[DATE].max(), model.universe.min_history
    is_newest = pl.col(DATE) == newest
    stocks = universe.group_by(CODE).agg(
        pl.len().alias("days"), pl.col(DATE).max().alias("last"), (pl.col(ELIGIBLE) & is_newest).any().alias(ELIGIBLE)
    )
    reason = (
        pl.when(pl.col("last").is_null())
        .then(pl.lit("it has no close above 0"))
        .when(pl.col("last") < newest)
        .then(pl.format("it has no price on {}, the newest is of {}", pl.lit(newest), "last"))
        .when(pl.col("days") < needed)
        .then(pl.format("it has {} day(s) of prices, {} are needed", "days", pl.lit(needed)))
        .when(~pl.col(ELIGIBLE))
        .then(pl.lit("its price, its traded value or its rank by traded value is too low"))
        .otherwise(pl.lit("too many of its features are unknown"))
    )
    codes = requested.unique().alias(CODE).to_frame().join(forecasts.filter(is_newest), on=CODE, how="anti")
    left_out = codes.join(stocks, on=CODE, how="left").select(pl.lit(newest).alias(DATE), CODE, reason.alias(REASON))
    known = universe.filter(is_newest & pl.col(CODE).is_in(list(model.codes))).height
    is_incomplete = known < COMPLETE_SHARE * model.require_prices().usual_stocks
    return PriceForecasts(forecasts, left_out.sort(CODE), is_incomplete)
