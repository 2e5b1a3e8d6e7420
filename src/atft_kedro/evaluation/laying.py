"""Forecasts from anywhere, laid out over days and stocks, and what of them could not be scored."""

from dataclasses import dataclass, replace

import numpy as np
import polars as pl
import torch
from torch import Tensor

from ..params import InputError, Params
from ..schema import CLOSE, CODE, DATE, FORECAST, HORIZON, VOLUME, target, target_columns


class Excluded(Params):
    """Forecasts that were given and not scored."""

    unknown: int  # dates and codes without any realised return
    not_finite: int  # forecasts that are no number
    unrealised: int  # whose return is not known yet


@dataclass(frozen=True)
class Field:
    """The forecasts over one horizon, laid out over the days from their first to their last; NaN where none is."""

    horizon: int
    days: slice  # of the ground's
    forecast: Tensor  # float64 (day, stock)
    actual: Tensor  # float64 (day, stock)
    excluded: Excluded


@dataclass(frozen=True)
class Ground:
    """Realised returns (day, stock) by horizon, and where each date and code lies."""

    days: pl.Series
    codes: pl.Series
    returns: dict[int, Tensor]
    traded: Tensor | None  # close times volume

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
    """Lay realised returns out: a row for each date and code."""
    _require_columns(realised, (DATE, CODE), "realised returns")
    ground = Ground(realised[DATE].unique().sort(), realised[CODE].unique().sort(), {}, None)
    rows = ground.place(realised)
    returns = {horizon: ground.lay(rows, name) for name, horizon in target_columns(realised.schema).items()}
    traded = ground.lay(rows, CLOSE) * ground.lay(rows, VOLUME) if {CLOSE, VOLUME} <= realised.schema.keys() else None
    return replace(ground, returns=returns, traded=traded)


def lay_out(forecasts: pl.DataFrame, ground: Ground, horizon: int) -> Field:
    """Put the forecasts over one horizon beside what came."""
    if horizon not in ground.returns:
        raise InputError(f"Forecasts over {horizon} days cannot be scored: there is no {target(horizon)!r}.")
    asked = forecasts.filter(pl.col(HORIZON) == horizon).select(DATE, CODE, FORECAST)
    finite = asked.filter(pl.col(FORECAST).is_finite())
    placed = ground.place(finite)
    forecast, actual = ground.lay(placed, FORECAST), ground.returns[horizon]
    there = forecast.isfinite()
    excluded = Excluded(
        unknown=len(finite) - len(placed),
        not_finite=len(asked) - len(finite),
        unrealised=int((there & ~actual.isfinite()).sum()),
    )
    known = there.any(-1).nonzero().flatten().tolist() or [0]
    days = slice(known[0], known[-1] + 1)
    return Field(horizon, days, forecast[days], actual[days], excluded)


def require_forecasts(forecasts: pl.DataFrame) -> None:
    """Refuse what is no table of forecasts."""
    _require_columns(forecasts, (DATE, CODE, HORIZON, FORECAST), "forecasts")
    if not forecasts.schema[DATE] == pl.Date:
        raise InputError(f"The forecasts' {DATE} is {forecasts.schema[DATE]}, no date.")
    if not len(forecasts):
        raise InputError("There are no forecasts to score.")


def _require_columns(frame: pl.DataFrame, names: tuple[str, ...], what: str) -> None:
    missing = [name for name in names if name not in frame.columns]
    if missing:
        raise InputError(f"The {what} have no column {missing}; they have {frame.columns}.")
