"""Test gradient-boosted trees on a planted signal."""

import polars as pl
import torch

from atft_kedro.evaluation.boosting import BoostingParams, fit_boosting
from atft_kedro.evaluation.observations import Observations, read_observations
from atft_kedro.evaluation.ridge import RidgeParams, fit_ridge
from atft_kedro.training.data import TrainingData
from factories.params import make_params

SMALL = make_params(BoostingParams, rounds=20, min_leaf_rows=20)


def test_trees_find_a_square_that_ridge_cannot(training_data: TrainingData) -> None:
    assert training_data.panel.features.shape[1] > 3  # a square of a feature is no line of it
    features = training_data.panel.features.clone()
    rows = torch.arange(len(features) - 1)
    signal = torch.randn(len(rows), generator=torch.Generator().manual_seed(3))
    features[:-1, 0] = signal.half()
    targets = training_data.panel.targets.clone()
    square = signal.square() + 0.5 * torch.randn(len(rows))
    targets[:-1] = square.unsqueeze(-1).where(targets[:-1].isfinite(), torch.nan)
    panel = type(training_data.panel)(**{**vars(training_data.panel), "features": features, "targets": targets})
    planted = TrainingData(panel, training_data.graphs, training_data.split)

    test = Observations.join(list(read_observations(planted, "test", "gaussian_rank")))
    trees, ridge = (
        fit_boosting(planted, "gaussian_rank", SMALL),
        fit_ridge(planted, "gaussian_rank", make_params(RidgeParams)),
    )
    assert _rank_ic(test, trees(test)[:, 0], 0) > 0.6
    assert abs(_rank_ic(test, ridge(test)[:, 0], 0)) < 0.2


def _rank_ic(rows: Observations, table: torch.Tensor, horizon: int) -> float:
    frame = pl.DataFrame({"day": rows.day.numpy(), "forecast": table.numpy(), "label": rows.labels[:, horizon].numpy()})
    frame = frame.filter(pl.col("label").is_not_nan())
    return frame.group_by("day").agg(ic=pl.corr("forecast", "label", method="spearman"))["ic"].mean()  # type: ignore[return-value]
