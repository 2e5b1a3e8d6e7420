"""Forecasts as a table: a row for each date, code, split and horizon."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
from polars.exceptions import PolarsError

from ..network.atft import Atft
from ..panel.split import SplitName
from ..params import InputError
from ..schema import CODE, DATE, FORECAST, FORECASTER, HORIZON, MEMBER_PREFIX, REALISED, SPLIT
from ..training.data import TrainingData
from ..training.forecasting import Forecasts, TrainedNetwork, forecast_ensemble, forecast_members, mean_forecasts

FORECASTS_FILE = "forecasts.parquet"
FORECAST_KEYS = (DATE, CODE, SPLIT, HORIZON)


def open_table(path: Path) -> pl.LazyFrame:
    """Open a Parquet table; raise an `InputError` with its path if it cannot be read."""
    table = pl.scan_parquet(path, glob=False)
    try:
        table.collect_schema()
    except PolarsError as error:
        raise InputError(f"{path} is not readable as a table: {str(error).splitlines()[0]}") from error
    return table


def forecast_all_splits(
    members: Mapping[int, TrainedNetwork], training_data: TrainingData
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Forecast the validation and test days, and the last train days.

    There are as many train days as validation days. ``members`` are by seed. The first table has the mean of all
    members. The second has the validation and test forecasts of each member, without quantiles and realised returns;
    it is empty if the ensemble has one member.
    """
    days, split = training_data.panel.days, training_data.split
    last_days = split.keep_last_days("train", days, len(split.indices_of("validation", days)))
    splits: list[tuple[TrainingData, SplitName]] = [(replace(training_data, split=last_days), "train")]
    splits += [(training_data, "validation"), (training_data, "test")]
    network = next(iter(members.values())).network
    mean_tables, member_tables = [], []
    for data, name in splits:
        forecasts = forecast_members(list(members.values()), data, name)
        mean_tables.append(tabulate_forecasts(mean_forecasts(forecasts), network, data, name))
        if len(members) > 1 and name != "train":
            member_tables += [
                add_forecaster(f"{MEMBER_PREFIX}{seed}", tabulate_forecasts(forecast, network, data, name))
                for seed, forecast in zip(members, forecasts, strict=True)
            ]
    empty = add_forecaster("", mean_tables[0].clear())  # defines the columns if there is one member
    return pl.concat(mean_tables), pl.concat([empty, *member_tables])


def forecast_one_split(
    members: Sequence[TrainedNetwork], training_data: TrainingData, split: SplitName
) -> pl.DataFrame:
    """Forecast the days of a split with the mean of all ensemble members."""
    forecasts = forecast_ensemble(members, training_data, split)
    return tabulate_forecasts(forecasts, members[0].network, training_data, split)


def add_forecaster(name: str, forecasts: pl.DataFrame) -> pl.DataFrame:
    """Keep the keys and the forecasts, and add the forecaster's name as a column."""
    return forecasts.select(pl.lit(name).alias(FORECASTER), *FORECAST_KEYS, pl.col(FORECAST).cast(pl.Float32))


def tabulate_forecasts(
    forecasts: Forecasts, network: Atft, training_data: TrainingData, split: SplitName
) -> pl.DataFrame:
    """Build the table of a split's finite forecasts, with all quantiles and the realised return."""
    days = training_data.panel.days[forecasts.day.numpy()]
    codes = pl.Series(training_data.panel.metadata.codes, dtype=pl.String)
    point = network.point_forecast(forecasts.quantiles)
    tables = []
    for column, horizon in enumerate(network.horizons):
        day, stock = np.nonzero(point[..., column].isfinite().numpy())
        quantiles = forecasts.quantiles[:, :, column].numpy()[day, stock]
        tables.append(
            pl.DataFrame(
                {
                    DATE: days[day],
                    CODE: codes.gather(stock),
                    SPLIT: pl.repeat(split, len(day), eager=True),
                    HORIZON: pl.repeat(horizon, len(day), dtype=pl.Int16, eager=True),
                    FORECAST: point[..., column].numpy()[day, stock],
                    **{f"q{level * 100:g}": quantiles[:, i] for i, level in enumerate(network.params.quantiles)},
                    REALISED: pl.Series(forecasts.targets[..., column].numpy()[day, stock]).fill_nan(None),
                }
            )
        )
    return pl.concat(tables)
