"""Gradient-boosted trees that forecast the labels of each horizon from the features of a day."""

from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from .. import metrics
from ..panel.split import SplitName
from ..params import Params
from ..training.data import TrainingData
from .daily_statistics import Floats
from .observations import Observations, Predictor, read_observations
from .quantiles import Units

Size = Annotated[int, Field(gt=0)]


class BoostingParams(Params):
    """Parameters of LightGBM; the IC of the validation days chooses the number of trees.

    If a split has more than ``max_rows`` rows, whole days are omitted evenly.
    """

    rounds: Size
    patience: Size
    learning_rate: Annotated[float, Field(gt=0)]
    leaves: Annotated[int, Field(gt=1)]
    min_leaf_rows: Size
    feature_share: Annotated[float, Field(gt=0, le=1)]
    max_rows: Size
    seed: Annotated[int, Field(ge=0)]

    def lightgbm_params(self) -> dict[str, Any]:
        """Return these parameters under LightGBM's names."""
        return {
            "objective": "l2",
            "metric": "none",
            "learning_rate": self.learning_rate,
            "num_leaves": self.leaves,
            "min_data_in_leaf": self.min_leaf_rows,
            "feature_fraction": self.feature_share,
            "seed": self.seed,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": torch.get_num_threads(),
            "verbose": -1,
        }


LightGBMDataset = Any  # LightGBM is slow to import, so only the functions that use it import it


def fit_boosting(training_data: TrainingData, units: Units, params: BoostingParams) -> Predictor:
    """Fit one LightGBM model for each horizon."""
    import lightgbm

    train, validation = (
        _read_evenly(training_data, split, units, params.max_rows) for split in ("train", "validation")
    )
    train_set = lightgbm.Dataset(train.features.float().numpy(), params=params.lightgbm_params(), free_raw_data=False)
    valid_set = lightgbm.Dataset(validation.features.float().numpy(), reference=train_set, free_raw_data=False)
    models = [
        _fit_horizon(train_set, valid_set, train.labels[:, column], validation, validation.labels[:, column], params)
        for column in range(train.labels.shape[1])
    ]

    def predict(observations: Observations) -> Tensor:
        """Forecast observations (row, horizon)."""
        features = observations.features.float().numpy()
        return torch.from_numpy(np.stack([model.predict(features) for model in models], axis=1)).float()

    return predict


def _read_evenly(training_data: TrainingData, split: SplitName, units: Units, max_rows: int) -> Observations:
    """Read every n-th day of a split, so that at most about ``max_rows`` rows are used."""
    days = training_data.split.indices_of(split, training_data.panel.days)
    rows = int(training_data.panel.eligible[torch.from_numpy(days)].sum())
    step = -(-rows // max_rows)
    kept = []
    for batch in read_observations(training_data, split, units):
        keep = batch.day % step == 0
        kept.append(Observations(batch.day[keep], batch.stock[keep], batch.features[keep], batch.labels[keep]))
    return Observations.join(kept)


def _fit_horizon(
    train_set: LightGBMDataset,
    valid_set: LightGBMDataset,
    train_labels: Tensor,
    validation: Observations,
    validation_labels: Tensor,
    params: BoostingParams,
) -> Any:
    import lightgbm

    for dataset, labels in ((train_set, train_labels), (valid_set, validation_labels)):
        is_known = labels.isfinite()
        dataset.set_label(labels.where(is_known, 0).numpy())
        dataset.set_weight(is_known.float().numpy())
    actual = validation.to_array(validation_labels)

    def mean_ic(prediction: Floats, _: LightGBMDataset) -> tuple[str, float, bool]:
        """Compute the mean daily IC for early stopping; higher is better."""
        daily = metrics.daily_ic(validation.to_array(torch.from_numpy(prediction)), actual)
        defined = daily[daily.isfinite()]
        return "ic", float(defined.mean()) if len(defined) else 0.0, True

    stop = lightgbm.early_stopping(params.patience, verbose=False)
    return lightgbm.train(
        params.lightgbm_params(), train_set, params.rounds, [valid_set], feval=mean_ic, callbacks=[stop]
    )
