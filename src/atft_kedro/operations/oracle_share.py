"""How much of what can be known of a simulated market a trained run knows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import torch
from torch import Tensor

from .. import metrics
from ..network.atft import Atft
from ..panel.split import Role
from ..training.forecasting import forecast_days
from ..training.mode import TrainingParams
from ..training.ranks import Ranks
from ..training.run import Material


@dataclass(frozen=True)
class OracleShare:
    """One horizon, on the days of one part."""

    horizon: int
    days: int
    ic: float
    error: float  # of the mean daily IC
    oracle: float  # its IC on the same observations
    agreement: float  # daily correlation of forecast and oracle: the share that would show in endless days


def measure_share(
    networks: Sequence[Atft], material: Material, oracle: pl.DataFrame, part: Role, training: TrainingParams
) -> list[OracleShare]:
    """Score the mean of some networks' standardised forecasts, beside the oracle's expectation."""
    network = networks[0]
    course = material.course(part, network.params.lookback, training, Ranks())
    parts = frozenset(training.phases[-1].parts)
    said = [forecast_days(each, course.reader, course.sampler.in_order(), parts) for each in networks]
    day, actual = said[0].day, said[0].targets.transpose(1, 2)  # (day, horizon, stock)
    points = [network.point(each.quantiles).transpose(1, 2) for each in said]
    mean = torch.stack([metrics.standardise(point, point.isfinite()) for point in points]).mean(0)
    mean = mean.where(points[0].isfinite(), torch.nan)
    shares = []
    for place, horizon in enumerate(network.horizons):
        known = place_oracle(oracle, material, horizon)[day].where(mean[:, place].isfinite(), torch.nan)
        ic = metrics.daily_ic(mean[:, place], actual[:, place])
        shares.append(
            OracleShare(
                horizon=horizon,
                days=int(ic.isfinite().sum()),
                ic=metrics.mean_of(ic),
                error=float(ic[ic.isfinite()].std() / ic.isfinite().sum().sqrt() * horizon**0.5),
                oracle=metrics.mean_of(metrics.daily_ic(known, actual[:, place])),
                agreement=metrics.mean_of(metrics.daily_ic(mean[:, place], known)),
            )
        )
    return shares


def place_oracle(oracle: pl.DataFrame, material: Material, horizon: int) -> Tensor:
    """Bring the oracle's table to the panel's places (day, stock)."""
    meaning = material.panel.meaning
    day = pl.DataFrame({"date": list(meaning.days), "day": range(len(meaning.days))})
    stock = pl.DataFrame({"code": list(meaning.codes), "stock": range(len(meaning.codes))})
    rows = oracle.join(day, on="date").join(stock, on="code").drop_nulls(f"oracle_{horizon}d")
    placed = np.full(material.panel.row_of.shape, np.nan)
    placed[rows["day"].to_numpy(), rows["stock"].to_numpy()] = rows[f"oracle_{horizon}d"].to_numpy()
    return torch.from_numpy(placed).float()
