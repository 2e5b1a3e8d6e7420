"""A run's forecasts as a table."""

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
from ..training.ensemble import TrainedNetwork, average, forecast_members, forecast_together
from ..training.forecasting import Forecasts

FORECASTS = "forecasts.parquet"
KEYS = (DATE, CODE, SPLIT, HORIZON)


def open_table(path: Path) -> pl.LazyFrame:
    """Open a table in a run's folder; one that is cut short is an `InputError` that names it."""
    table = pl.scan_parquet(path, glob=False)
    try:
        table.collect_schema()
    except PolarsError as error:
        raise InputError(f"{path} is not readable as a table: {str(error).splitlines()[0]}") from error
    return table


def forecast_splits(
    members: Mapping[int, TrainedNetwork], training_data: TrainingData
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Forecast the validation days, the test days, and as many of the last train days as validate.

    First by the mean of all networks; then, of several, each alone, under its seed: no quantiles, no train days.
    """
    days = training_data.panel.days
    ending = training_data.split.keep_last_days("train", days, len(training_data.split.indices_of("validation", days)))
    parts: list[tuple[TrainingData, SplitName]] = [(replace(training_data, split=ending), "train")]
    parts += [(training_data, "validation"), (training_data, "test")]
    network = next(iter(members.values())).network
    means, singles = [], []
    for mine, part in parts:
        said = forecast_members(list(members.values()), mine, part)
        means.append(tabulate(average(said), network, mine, part))
        if len(members) > 1 and part != "train":
            singles += [
                tabulate(alone, network, mine, part).select(
                    pl.lit(f"{MEMBER_PREFIX}{seed}").alias(FORECASTER), *KEYS, FORECAST
                )
                for seed, alone in zip(members, said, strict=True)
            ]
    nobody = means[0].clear().select(pl.lit("").alias(FORECASTER), *KEYS, FORECAST)
    return pl.concat(means), pl.concat([nobody, *singles])


def forecast_split(members: Sequence[TrainedNetwork], training_data: TrainingData, part: SplitName) -> pl.DataFrame:
    """Forecast the days of a part by the mean of all networks."""
    return tabulate(forecast_together(members, training_data, part), members[0].network, training_data, part)


def tabulate(said: Forecasts, network: Atft, training_data: TrainingData, part: SplitName) -> pl.DataFrame:
    """Write forecasts of a part as rows, for each date, code and horizon, with every quantile and what came."""
    days, codes = (
        training_data.panel.days[said.day.numpy()],
        pl.Series(training_data.panel.metadata.codes, dtype=pl.String),
    )
    point = network.point(said.quantiles)
    tables = []
    for place, horizon in enumerate(network.horizons):
        day, stock = np.nonzero(point[..., place].isfinite().numpy())
        quantiles = said.quantiles[:, :, place].numpy()[day, stock]
        tables.append(
            pl.DataFrame(
                {
                    DATE: days[day],
                    CODE: codes.gather(stock),
                    SPLIT: pl.repeat(part, len(day), eager=True),
                    HORIZON: pl.repeat(horizon, len(day), dtype=pl.Int16, eager=True),
                    FORECAST: point[..., place].numpy()[day, stock],
                    **{f"q{level * 100:g}": quantiles[:, at] for at, level in enumerate(network.params.quantiles)},
                    REALISED: pl.Series(said.targets[..., place].numpy()[day, stock]).fill_nan(None),
                }
            )
        )
    return pl.concat(tables)
