"""The oracle of a simulated market: its forecasts, and its IC compared with that of a run."""

from collections.abc import Sequence

import polars as pl
import torch
from torch import Tensor

from .. import metrics
from ..panel.index import DayStockIndex
from ..panel.split import SplitName
from ..schema import CODE, DATE, ENTRY_LAGS, FORECAST, HORIZON, oracle_column
from ..training.data import TrainingData
from ..training.forecasting import TrainedNetwork, forecast_ensemble
from .align import to_tensor
from .daily_statistics import average
from .forecast_table import FORECAST_KEYS, add_forecaster
from .oracle_comparison import OracleComparison

ORACLE = "oracle"


def forecast_with_oracle(forecasts: pl.DataFrame, oracle: pl.DataFrame, entry_lag: int) -> pl.DataFrame:
    """Select the oracle's forecasts at each entry for a run's keys; empty without an oracle."""
    keys = forecasts.select(FORECAST_KEYS)
    tables = [add_forecaster(ORACLE, keys.clear().with_columns(pl.lit(0.0).alias(FORECAST)))]
    for lag in sorted({*ENTRY_LAGS.values(), entry_lag}):
        for horizon in keys[HORIZON].unique(maintain_order=True):
            if (column := oracle_column(horizon, lag)) in oracle.columns:
                expected = oracle.select(DATE, CODE, pl.col(column).alias(FORECAST)).drop_nulls()
                rows = keys.filter(pl.col(HORIZON) == horizon).join(expected, on=[DATE, CODE])
                tables.append(add_forecaster(oracle_name(lag, entry_lag), rows))
    return pl.concat(tables)


def oracle_name(lag: int, entry_lag: int) -> str:
    """Name the oracle's forecasts at an entry; those at the entry of the targets have no suffix."""
    return ORACLE if lag == entry_lag else f"{ORACLE} of lag {lag}"


def measure_oracle_share(
    members: Sequence[TrainedNetwork], training_data: TrainingData, oracle: pl.DataFrame, split: SplitName
) -> list[OracleComparison]:
    """Compare the IC of an ensemble's mean forecast with the oracle's, for each horizon."""
    network = members[0].network
    forecasts = forecast_ensemble(members, training_data, split)
    day, actual = forecasts.day, forecasts.targets.transpose(1, 2)  # (day, horizon, stock)
    point = network.point_forecast(forecasts.quantiles).transpose(1, 2)
    shares = []
    for column, horizon in enumerate(network.horizons):
        forecast, realised = point[:, column], actual[:, column]
        expected = align_oracle(oracle, training_data, horizon)[day].where(forecast.isfinite(), torch.nan)
        shares.append(
            OracleComparison(
                horizon=horizon,
                ic=average(metrics.daily_ic(forecast, realised).numpy(), horizon),
                oracle_ic=average(metrics.daily_ic(expected, realised).numpy(), horizon),
                agreement=float(metrics.daily_ic(forecast, expected).nanmean()),
            )
        )
    return shares


def align_oracle(oracle: pl.DataFrame, training_data: TrainingData, horizon: int) -> Tensor:
    """Return the oracle's expected targets as an array (day, stock) of the panel."""
    metadata = training_data.panel.metadata
    index = DayStockIndex(pl.Series(metadata.days, dtype=pl.Date), pl.Series(metadata.codes, dtype=pl.String))
    return to_tensor(index, index.find(oracle), oracle_column(horizon, metadata.entry_lag)).float()
