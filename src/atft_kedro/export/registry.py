"""A model prepared for MLflow's registry: its folder, its columns and example rows."""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from ..schema import CODE, DATE, FORECAST, HORIZON, RANK, target
from .model import DEVIATION, load_model

EXAMPLE_ROWS = 3


@dataclass(frozen=True)
class Registration:
    """A model to register."""

    folder: Path
    run: str
    example: pl.DataFrame  # observations with the required columns
    optional: pl.Schema  # of observations
    output: pl.Schema  # of forecasts


def prepare_registration(folder: Path, dataset: pl.LazyFrame) -> Registration:
    """Collect the schemas of a model and example rows of the newest day."""
    model = load_model(folder)
    required, targets = model.card.inputs.columns, [target(horizon) for horizon in model.card.horizons]
    newest = dataset.filter(pl.col(DATE) == pl.col(DATE).max()).select(required).sort(CODE).head(EXAMPLE_ROWS)
    output = pl.Schema({DATE: pl.Date, CODE: pl.String, HORIZON: pl.Int16, RANK: pl.Int32})
    output |= dict.fromkeys((FORECAST, *model.quantiles, DEVIATION), pl.Float32())
    optional = pl.Schema({name: pl.Float32 for name in targets if name not in required})
    return Registration(folder, model.card.run, newest.collect(), optional, output)
