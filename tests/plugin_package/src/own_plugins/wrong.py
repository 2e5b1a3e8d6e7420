"""Plug-ins that the project refuses."""

import polars as pl
from torch import Tensor

from atft_kedro.evaluation.baselines import BaselineInputs
from atft_kedro.features.feature import declare
from atft_kedro.losses import LossInputs

CLOSE = pl.col("close")

LOOKS_AHEAD = declare("wrong", ("next_rise", CLOSE.shift(-2) / CLOSE.shift(-1), 0, "a return from tomorrow on"))
WHOLE_HISTORY = declare(
    "wrong", ("rows", pl.len().cast(pl.Float64) + 0 * CLOSE, 0, "observations of the whole history")
)
LEVEL = declare("wrong", ("log_close", CLOSE.log(), 0, "log of the adjusted close"))
SAME_NAME = declare("wrong", ("ret_1", CLOSE / CLOSE.shift(1), 1, "a name of the project"))
LATER_COLUMN = declare("wrong", ("next_pe", pl.col("pe").shift(-1), 0, "a further column of tomorrow"))
UNKNOWN_COLUMN = declare("wrong", ("earnings", pl.col("earnings") / CLOSE, 0, "a column that prices lack"))


def nan_gradient(inputs: LossInputs) -> Tensor:
    """Return a deviation without a floor: its gradient is not a number for equal forecasts."""
    return inputs.mean_days(inputs.point.where(inputs.valid, 0).square().sum(-1).sqrt())


def unmasked(inputs: LossInputs) -> Tensor:
    """Return the squared error of all stocks, also of those without a label."""
    return (inputs.point - inputs.label).square().mean((0, 2))


def one_value(inputs: LossInputs) -> Tensor:
    """Return one value instead of one per horizon."""
    return (inputs.point - inputs.label).where(inputs.valid, 0).square().mean()


def no_gradient(inputs: LossInputs) -> Tensor:
    """Return a count, which no forecast changes."""
    return inputs.mean_days((inputs.point.detach() > 0).where(inputs.valid, False).float().mean(-1))


def no_table(inputs: BaselineInputs) -> None:
    """Return nothing."""
