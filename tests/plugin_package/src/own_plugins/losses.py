"""Losses: a function of forecasts and labels, with one value for each horizon."""

from torch import Tensor

from atft_kedro.losses import LossInputs


def cubic(inputs: LossInputs) -> Tensor:
    """Compute the mean cubed absolute error of the labelled stocks."""
    return inputs.mean_days(inputs.mean_stocks((inputs.point - inputs.label).abs() ** 3))
