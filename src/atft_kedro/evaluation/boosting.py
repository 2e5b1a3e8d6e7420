"""Gradient-boosted trees of each horizon's labels on the day's features."""

from collections.abc import Iterable
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from .. import metrics
from ..params import Params
from ..training.data import TrainingData
from .daily_statistics import Floats
from .observations import Observations, read_observations
from .quantiles import Units
from .ridge import Predictor

Size = Annotated[int, Field(gt=0)]


class BoostingParams(Params):
    """LightGBM's trees. The validation days' IC chooses how many are kept; ``rows`` are the most that are learned.

    Where there are more, whole days are left out evenly.
    """

    rounds: Size = 200
    patience: Size = 30
    learning_rate: Annotated[float, Field(gt=0)] = 0.05
    leaves: Annotated[int, Field(gt=1)] = 15
    fewest_in_leaf: Size = 200
    feature_share: Annotated[float, Field(gt=0, le=1)] = 0.5
    rows: Size = 500_000
    seed: Annotated[int, Field(ge=0)] = 7

    def native(self) -> dict[str, Any]:
        """Say it in LightGBM's words."""
        return {
            "objective": "l2",
            "metric": "none",
            "learning_rate": self.learning_rate,
            "num_leaves": self.leaves,
            "min_data_in_leaf": self.fewest_in_leaf,
            "feature_fraction": self.feature_share,
            "seed": self.seed,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": torch.get_num_threads(),
            "verbose": -1,
        }


Dataset = Any  # LightGBM's: it is slow to import, and not for every command


def fit_boosting(training_data: TrainingData, units: Units, params: BoostingParams) -> Predictor:
    """Grow trees for each horizon."""
    import lightgbm

    train = _thin_out(read_observations(training_data, "train", units), params.rows, training_data, "train")
    validation = _thin_out(
        read_observations(training_data, "validation", units), params.rows, training_data, "validation"
    )
    data = lightgbm.Dataset(train.features.float().numpy(), params=params.native(), free_raw_data=False)
    beside = lightgbm.Dataset(validation.features.float().numpy(), reference=data, free_raw_data=False)
    horizons = range(train.labels.shape[1])
    forests = [_grow(data, beside, train.labels[:, each], validation, each, params) for each in horizons]

    def forecast(asked: Observations) -> Tensor:
        features = asked.features.float().numpy()
        return torch.from_numpy(np.stack([forest.predict(features) for forest in forests], axis=1)).float()

    return forecast


def _thin_out(pieces: Iterable[Observations], most: int, training_data: TrainingData, part: str) -> Observations:
    """Keep every so many days."""
    days = training_data.split.indices_of(part, training_data.panel.days)  # type: ignore[arg-type]
    rows = int(training_data.panel.eligible[torch.from_numpy(days)].sum())
    every = -(-rows // most)
    kept = []
    for piece in pieces:
        chosen = piece.day % every == 0
        kept.append(Observations(piece.day[chosen], piece.stock[chosen], piece.features[chosen], piece.labels[chosen]))
    return Observations.join(kept)


def _grow(
    data: Dataset,
    beside: Dataset,
    labels: Tensor,
    validation: Observations,
    horizon: int,
    params: BoostingParams,
) -> Any:
    import lightgbm

    for dataset, mine in ((data, labels), (beside, validation.labels[:, horizon])):
        known = mine.isfinite()
        dataset.set_label(mine.where(known, 0).numpy())
        dataset.set_weight(known.float().numpy())
    actual = validation.spread(validation.labels[:, horizon])

    def ic(said: Floats, _: Dataset) -> tuple[str, float, bool]:
        daily = metrics.daily_ic(validation.spread(torch.from_numpy(said)), actual)
        known = daily[daily.isfinite()]
        return "ic", float(known.mean()) if len(known) else 0.0, True

    stop = lightgbm.early_stopping(params.patience, verbose=False)
    return lightgbm.train(params.native(), data, params.rounds, [beside], feval=ic, callbacks=[stop])
