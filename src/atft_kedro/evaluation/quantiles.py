"""Units of forecasts, columns of forecast quantiles, and their daily coverage."""

import re
from typing import Literal

import torch
from torch import Tensor

from ..labels import rank_to_unit, to_gaussian, transform_labels

Units = Literal["gaussian_rank", "zscore", "returns"]

QUANTILE = re.compile(r"q(\d+(?:\.\d+)?)")  # column q2.5: 2.5 % of the labels are expected to lie below it


def label_returns(actual: Tensor, valid: Tensor, units: Units, rank: Tensor | None = None) -> Tensor:
    """Transform returns (day, stock) into the units of forecasts; NaN where not valid.

    Each day is transformed over its valid stocks. A ``rank`` that is already known is not computed again.
    """
    if units == "returns":
        return actual.where(valid, torch.nan)
    if units == "gaussian_rank" and rank is not None:
        return to_gaussian(rank_to_unit(rank, valid))
    label, _ = transform_labels(actual, valid, 0.0, gaussian=units == "gaussian_rank")
    return label.where(valid, torch.nan)


def quantile_levels(columns: list[str]) -> dict[str, float]:
    """Return the quantile columns of a table with their levels, the lowest first."""
    levels = {name: float(match[1]) / 100 for name in columns if (match := QUANTILE.fullmatch(name))}
    return dict(sorted(levels.items(), key=lambda item: item[1]))


def daily_coverage(quantile: Tensor, label: Tensor) -> Tensor:
    """Compute the share of each day's labels at or below a quantile: (day, stock) -> (day,)."""
    valid = quantile.isfinite() & label.isfinite()
    return (valid & (label <= quantile)).sum(-1).double() / valid.sum(-1)
