"""A run's forecasts as a table."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from ..panel.split import Role
from ..schema import CODE, DATE, FORECAST, HORIZON, REALISED, SPLIT
from ..training.members import Expert, forecast_together
from ..training.run import Material

FORECASTS = "forecasts.parquet"


def forecast_parts(experts: Sequence[Expert], material: Material) -> pl.DataFrame:
    """Forecast the validation days, the test days, and as many of the last train days as validate."""
    days = material.panel.days
    ending = material.split.ending("train", days, len(material.split.days_of("validation", days)))
    parts: list[tuple[Material, Role]] = [(replace(material, split=ending), "train")]
    parts += [(material, "validation"), (material, "test")]
    return pl.concat([forecast_part(experts, mine, part) for mine, part in parts])


def forecast_part(experts: Sequence[Expert], material: Material, part: Role) -> pl.DataFrame:
    """Forecast the days of a part: a row for each date, code and horizon, with every quantile and what came."""
    network = experts[0].network
    said = forecast_together(experts, material, part)
    days, codes = material.panel.days[said.day.numpy()], pl.Series(material.panel.meaning.codes, dtype=pl.String)
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
