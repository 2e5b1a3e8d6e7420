"""Forecasts from anywhere, laid out over days and stocks, and what of them could not be scored."""

from dataclasses import dataclass

import numpy as np
import polars as pl
import torch
from torch import Tensor

from ..params import InputError, Params
from ..schema import CODE, DATE, target

FORECAST, HORIZON, SPLIT, LABEL = "forecast", "horizon", "split", "label"


class Excluded(Params):
    """Forecasts that were given and not scored."""

    unknown: int  # dates and codes without any realised return
    not_finite: int  # forecasts that are no number
    unrealised: int  # whose return is not known yet


@dataclass(frozen=True)
class Field:
    """One horizon, laid out; NaN where nothing is known."""

    horizon: int
    days: np.ndarray  # datetime64 (day,)
    forecast: Tensor  # float64 (day, stock)
    actual: Tensor  # float64 (day, stock)
    excluded: Excluded


@dataclass(frozen=True)
class Ground:
    """Realised returns and where each date and code lies."""

    days: pl.Series
    codes: pl.Series
    rows: pl.DataFrame  # the realised table, with `day` and `stock`

    def lay(self, values: pl.DataFrame, column: str) -> Tensor:
        """Lay a column of rows with `day` and `stock` out."""
        cells = np.full((len(self.days), len(self.codes)), np.nan)
        numbers = values[column].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        cells[values["day"].to_numpy(), values["stock"].to_numpy()] = numbers
        return torch.from_numpy(cells)

    def place(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Find the place of each row; those without one are left out."""
        day = pl.DataFrame({DATE: self.days, "day": np.arange(len(self.days))})
        stock = pl.DataFrame({CODE: self.codes, "stock": np.arange(len(self.codes))})
        placed = frame.join(day, on=DATE, maintain_order="left").join(stock, on=CODE, maintain_order="left")
        seen = np.zeros((len(self.days), len(self.codes)), dtype=bool)
        seen[placed["day"].to_numpy(), placed["stock"].to_numpy()] = True
        if seen.sum() < len(placed):
            twice = placed.filter(pl.struct("day", "stock").is_duplicated()).row(0, named=True)
            raise InputError(
                f"{len(placed) - seen.sum()} rows repeat the date and code of another, as {twice[DATE]} {twice[CODE]}."
            )
        return placed


def lay_ground(realised: pl.DataFrame) -> Ground:
    """Order the realised returns: one row for each date and code."""
    _require_columns(realised, (DATE, CODE), "realised returns")
    days, codes = (realised[name].unique().sort() for name in (DATE, CODE))
    ground = Ground(days, codes, realised)
    return Ground(days, codes, ground.place(realised))


def lay_out(forecasts: pl.DataFrame, ground: Ground, horizon: int) -> Field:
    """Put the forecasts of one horizon beside what came."""
    name = target(horizon)
    if name not in ground.rows.columns:
        raise InputError(f"Forecasts over {horizon} days cannot be scored: the realised returns have no {name!r}.")
    asked = forecasts.filter(pl.col(HORIZON) == horizon)
    finite = asked.filter(pl.col(FORECAST).is_finite())
    placed = ground.place(finite)
    forecast, actual = ground.lay(placed, FORECAST), ground.lay(ground.rows, name)
    scored = forecast.isfinite() & actual.isfinite()
    excluded = Excluded(
        unknown=len(finite) - len(placed),
        not_finite=len(asked) - len(finite),
        unrealised=int(forecast.isfinite().sum() - scored.sum()),
    )
    there = forecast.isfinite().any(-1)
    first, last = (int(there.nonzero()[0]), int(there.nonzero()[-1]) + 1) if there.any() else (0, 0)
    days = ground.days.to_numpy()[first:last]
    return Field(horizon, days, forecast[first:last], actual[first:last], excluded)


def require_forecasts(forecasts: pl.DataFrame) -> None:
    """Refuse what is no table of forecasts."""
    _require_columns(forecasts, (DATE, CODE, HORIZON, FORECAST), "forecasts")
    if not len(forecasts):
        raise InputError("There are no forecasts to score.")


def _require_columns(frame: pl.DataFrame, names: tuple[str, ...], what: str) -> None:
    missing = [name for name in names if name not in frame.columns]
    if missing:
        raise InputError(f"The {what} have no column {missing}; they have {frame.columns}.")
