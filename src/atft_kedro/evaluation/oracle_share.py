"""How much of what can be known of a simulated market a trained run knows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import torch
from torch import Tensor

from .. import metrics
from ..panel.split import SplitName
from ..schema import oracle_column
from ..training.data import TrainingData
from ..training.ensemble import TrainedNetwork, forecast_together
from .daily_statistics import Mean, average


@dataclass(frozen=True)
class OracleShare:
    """One horizon, on the days of one part."""

    horizon: int
    ic: Mean
    oracle: float  # its IC on the same observations
    agreement: float  # daily correlation of forecast and oracle: the share that would show in endless days


def measure_share(
    members: Sequence[TrainedNetwork], training_data: TrainingData, oracle: pl.DataFrame, part: SplitName
) -> list[OracleShare]:
    """Score the mean of some networks' forecasts, beside the oracle's expectation."""
    network = members[0].network
    said = forecast_together(members, training_data, part)
    day, actual = said.day, said.targets.transpose(1, 2)  # (day, horizon, stock)
    point = network.point(said.quantiles).transpose(1, 2)
    shares = []
    for place, horizon in enumerate(network.horizons):
        known = place_oracle(oracle, training_data, horizon)[day].where(point[:, place].isfinite(), torch.nan)
        ic = average(metrics.daily_ic(point[:, place], actual[:, place]).numpy(), horizon)
        shares.append(
            OracleShare(
                horizon=horizon,
                ic=ic,
                oracle=float(metrics.daily_ic(known, actual[:, place]).nanmean()),
                agreement=float(metrics.daily_ic(point[:, place], known).nanmean()),
            )
        )
    return shares


def place_oracle(oracle: pl.DataFrame, training_data: TrainingData, horizon: int) -> Tensor:
    """Arrange the oracle's expected targets as (day, stock), like the panel."""
    metadata = training_data.panel.metadata
    day = pl.DataFrame({"date": list(metadata.days), "day": range(len(metadata.days))})
    stock = pl.DataFrame({"code": list(metadata.codes), "stock": range(len(metadata.codes))})
    column = oracle_column(horizon, metadata.entry_lag)
    rows = oracle.join(day, on="date").join(stock, on="code").drop_nulls(column)
    placed = np.full(training_data.panel.row_of.shape, np.nan)
    placed[rows["day"].to_numpy(), rows["stock"].to_numpy()] = rows[column].to_numpy()
    return torch.from_numpy(placed).float()
