"""What forecasts are written in, and how much of what came lies below each of their quantiles."""

import re
from typing import Literal

import torch
from torch import Tensor

from ..labels import rank_to_unit, to_gaussian, transform_labels

Units = Literal["gaussian_rank", "zscore", "returns"]

QUANTILE = re.compile(r"q(\d+(?:\.\d+)?)")  # a column: q2.5 is the forecast that 2.5 % of what comes lie below


def label_returns(actual: Tensor, valid: Tensor, units: Units, rank: Tensor | None = None) -> Tensor:
    """Write returns (day, stock) as forecasts are written, each day over its valid stocks; NaN elsewhere.

    Who has ranked them already says so, for that takes most of the time.
    """
    if units == "returns":
        return actual.where(valid, torch.nan)
    if units == "gaussian_rank" and rank is not None:
        return to_gaussian(rank_to_unit(rank, valid))
    label, _ = transform_labels(actual, valid, 0.0, gaussian=units == "gaussian_rank")
    return label.where(valid, torch.nan)


def levels_of(columns: list[str]) -> dict[str, float]:
    """Find the quantiles among a table's columns, the lowest first."""
    found = {name: float(match[1]) / 100 for name in columns if (match := QUANTILE.fullmatch(name))}
    return dict(sorted(found.items(), key=lambda item: item[1]))


def daily_coverage(quantile: Tensor, label: Tensor) -> Tensor:
    """Say which share of each day's stocks came out no higher than a quantile (day, stock) -> (day,)."""
    valid = quantile.isfinite() & label.isfinite()
    return (valid & (label <= quantile)).sum(-1).double() / valid.sum(-1)
