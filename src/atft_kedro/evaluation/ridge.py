"""Ridge regression of the labels of each horizon on the features of a day, in one pass over all train rows."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from .. import metrics
from ..params import Params
from ..training.data import TrainingData
from .observations import Predictor, read_observations
from .quantiles import Units


class RidgeParams(Params):
    """The penalties to try; the rank IC of the validation days chooses one per horizon.

    A penalty is multiplied by the number of rows, so that it has the unit of the variance of a feature.
    """

    penalties: Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=1)]


def fit_ridge(training_data: TrainingData, units: Units, params: RidgeParams) -> Predictor:
    """Solve the regression for every penalty and keep the best penalty of each horizon."""
    squares, products, counts = _accumulate(training_data, units)
    penalty = torch.tensor(params.penalties, dtype=torch.float64).view(-1, 1, 1, 1) * counts.view(-1, 1, 1)
    ridge = squares + penalty * torch.eye(squares.shape[-1], dtype=torch.float64)
    weights = solve_systems(ridge, products.expand(len(penalty), -1, -1))
    score = _validate(training_data, units, weights.float())  # (penalty, horizon)
    best = weights[score.argmax(0), torch.arange(weights.shape[1])].float()  # (horizon, feature)
    return lambda observations: observations.demean() @ best.T


def solve_systems(matrices: Tensor, targets: Tensor) -> Tensor:
    """Solve linear systems (…, row, column) and (…, row), one after the other.

    torch solves a batch in several threads at once. After `torch.set_num_threads` was called twice, as by a training
    that measures its threads, MKL then reports errors and never returns.
    """
    systems = zip(matrices.flatten(0, -3), targets.flatten(0, -2), strict=True)
    return torch.stack([torch.linalg.solve(matrix, target) for matrix, target in systems]).view(targets.shape)


def _accumulate(training_data: TrainingData, units: Units) -> tuple[Tensor, Tensor, Tensor]:
    """Sum the products of features (horizon, feature, feature) and with labels, and count rows."""
    metadata = training_data.panel.metadata
    features, horizons = len(metadata.features), len(metadata.horizons)
    squares = torch.zeros(horizons, features, features, dtype=torch.float64)
    products = torch.zeros(horizons, features, dtype=torch.float64)
    counts = torch.zeros(horizons, dtype=torch.float64)
    for rows in read_observations(training_data, "train", units):
        x, is_known = rows.demean(), rows.labels.isfinite()
        square: Tensor | None = None
        for horizon in range(horizons):
            if square is None or not torch.equal(is_known[:, horizon], is_known[:, horizon - 1]):
                known = x[is_known[:, horizon]]
                square = (known.T @ known).double()
            squares[horizon] += square
        products += (rows.labels.where(is_known, 0).T @ x).double()
        counts += is_known.sum(0)
    return squares, products, counts


def _validate(training_data: TrainingData, units: Units, weights: Tensor) -> Tensor:
    """Compute the mean validation rank IC (penalty, horizon) of weights (penalty, horizon, feature)."""
    daily = []
    for rows in read_observations(training_data, "validation", units):
        prediction = torch.einsum("rf,phf->rph", rows.demean(), weights)
        label = rows.to_array(rows.labels).unsqueeze(2).expand(-1, -1, len(weights), -1)
        daily.append(metrics.daily_rank_ic(rows.to_array(prediction).movedim(1, -1), label.movedim(1, -1)))
    return torch.cat(daily).nanmean(0)
