"""What a model registry is told of a model: its folder, its columns, and some rows as an example."""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from ..schema import CODE, DATE, FORECAST, HORIZON, RANK, target
from .deviation import DEVIATION
from .model import open_model

SHOWN = 3  # rows of the example


@dataclass(frozen=True)
class Registration:
    """A model to be registered."""

    folder: Path
    run: str
    example: pl.DataFrame  # observations with the columns that the model needs
    more: pl.Schema  # columns that they may have beside these
    answers: pl.Schema  # of its forecasts


def prepare_registration(folder: Path, dataset: pl.LazyFrame) -> Registration:
    """Take an example from the newest day of a dataset."""
    model = open_model(folder)
    needed, realised = model.card.inputs.columns, [target(horizon) for horizon in model.card.horizons]
    newest = dataset.filter(pl.col(DATE) == pl.col(DATE).max()).select(needed).sort(CODE).head(SHOWN)
    answers = pl.Schema({DATE: pl.Date, CODE: pl.String, HORIZON: pl.Int16, RANK: pl.Int32})
    answers |= dict.fromkeys((FORECAST, *model.quantiles, DEVIATION), pl.Float32())
    more = pl.Schema({name: pl.Float32 for name in realised if name not in needed})
    return Registration(folder, model.card.run, newest.collect(), more, answers)
