"""Ridge regression of each horizon's labels on the day's features, over all train rows in one pass."""

from collections.abc import Callable
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from .. import metrics
from ..params import Params
from ..training.data import TrainingData
from .observations import Observations, read_observations
from .quantiles import Units

Predictor = Callable[[Observations], Tensor]  # forecasts (row, horizon)


class RidgeParams(Params):
    """The penalties that are tried, as shares of a feature's variance; the validation days choose for each horizon."""

    penalties: Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=1)] = (1e-3, 1e-2, 0.1, 1.0)


def fit_ridge(training_data: TrainingData, units: Units, params: RidgeParams) -> Predictor:
    """Solve for every penalty, and keep each horizon's best."""
    squares, products, counts = _accumulate(training_data, units)
    penalty = torch.tensor(params.penalties, dtype=torch.float64).view(-1, 1, 1, 1) * counts.view(-1, 1, 1)
    ridge = squares + penalty * torch.eye(squares.shape[-1], dtype=torch.float64)
    weights = torch.linalg.solve(ridge, products.expand(len(penalty), -1, -1).unsqueeze(-1)).squeeze(-1)
    score = _validate(training_data, units, weights.float())  # (penalty, horizon)
    chosen = weights[score.argmax(0), torch.arange(weights.shape[1])].float()  # (horizon, feature)
    return lambda asked: asked.demean() @ chosen.T


def _accumulate(training_data: TrainingData, units: Units) -> tuple[Tensor, Tensor, Tensor]:
    """Sum the features' products with each other (horizon, feature, feature) and with the labels, and count rows."""
    features, horizons = len(training_data.panel.metadata.features), len(training_data.panel.metadata.horizons)
    squares = torch.zeros(horizons, features, features, dtype=torch.float64)
    products = torch.zeros(horizons, features, dtype=torch.float64)
    counts = torch.zeros(horizons, dtype=torch.float64)
    for rows in read_observations(training_data, "train", units):
        x, known = rows.demean(), rows.labels.isfinite()
        before: Tensor | None = None
        for horizon in range(horizons):
            if before is None or not torch.equal(known[:, horizon], known[:, horizon - 1]):
                mine = x[known[:, horizon]]
                before = (mine.T @ mine).double()
            squares[horizon] += before
        products += (rows.labels.where(known, 0).T @ x).double()
        counts += known.sum(0)
    return squares, products, counts


def _validate(training_data: TrainingData, units: Units, weights: Tensor) -> Tensor:
    """Average the validation days' rank IC of some weights (…, horizon, feature)."""
    daily = []
    for rows in read_observations(training_data, "validation", units):
        said = torch.einsum("rf,phf->rph", rows.demean(), weights)
        forecast, label = rows.spread(said), rows.spread(rows.labels).unsqueeze(2).expand(-1, -1, len(weights), -1)
        daily.append(metrics.daily_rank_ic(forecast.movedim(1, -1), label.movedim(1, -1)))
    return torch.cat(daily).nanmean(0)
