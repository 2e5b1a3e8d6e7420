"""A loaded model that turns observations into ranked forecasts."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
import torch
from safetensors.torch import load
from torch import Tensor

from ..metrics import MIN_STOCKS
from ..network.atft import Atft
from ..params import InputError
from ..schema import CODE, DATE, ELIGIBLE, FORECAST, HORIZON, RANK, target
from ..training.forecasting import TrainedNetwork, forecast_blocks, mean_forecasts
from ..training.hardware import CPU
from .inference_inputs import InferenceInputs, InferenceWindow, parse_keys, prepare_inputs
from .model_card import CARD, WEIGHTS, MemberCard, ModelCard, read_card

DEVIATION = "deviation"
DEVIATION_DAYS = 60  # days whose deviations are averaged
DAY = "day_index"


@dataclass(frozen=True)
class Model:
    """The networks of a run and their card."""

    card: ModelCard
    members: tuple[TrainedNetwork, ...]

    def forecast(self, observations: pl.DataFrame | pl.LazyFrame, days: int = 1) -> pl.DataFrame:
        """Forecast the newest days: date, code, horizon, rank, forecast, quantiles, deviation.

        Observations are rows of an ML dataset under the project's column names, at least as long as the lookback;
        longer history can change the universe. Dates may be ISO text, codes whole numbers. Rank 1 is the best of its
        day and horizon. Forecast times deviation is a return relative to the day's mean; the deviation is the one
        known at the day's close, and null if the observations have no targets.
        """
        return self.forecast_inputs(self.prepare(observations, days))

    def prepare(self, observations: pl.DataFrame | pl.LazyFrame, days: int = 1) -> InferenceInputs:
        """Prepare the newest days of some observations."""
        frame = observations.lazy()
        self.card.inputs.require_columns(frame.collect_schema().names())
        uses_graph = any("gat" in member.modules for member in self.members)
        device = self.members[0].network.heads.linear.weight.device
        window = InferenceWindow(self.card.network.lookback, self.card.horizons, uses_graph, days, device)
        return prepare_inputs(parse_keys(frame), self.card.inputs, window)

    def forecast_inputs(self, inputs: InferenceInputs) -> pl.DataFrame:
        """Forecast prepared days."""
        output = mean_forecasts(forecast_blocks(self.members, inputs.reader, [inputs.day_indices]))
        table = self._tabulate(self.card.corrections.correct(output.quantiles, self.card.horizons), inputs)
        rank = pl.col(FORECAST).rank("min", descending=True).over(DATE, HORIZON)
        deviations = measure_deviations(
            inputs.frame, inputs.universe, self.card.horizons, self.card.inputs.entry_lag, inputs.reader.days
        )
        ranked = table.with_columns(rank.cast(pl.Int32).alias(RANK)).join(deviations, on=[DATE, HORIZON], how="left")
        columns = (DATE, CODE, HORIZON, RANK, FORECAST, *self.quantiles, DEVIATION)
        return ranked.select(columns).sort(DATE, HORIZON, RANK, CODE)

    @property
    def quantiles(self) -> list[str]:
        """List the column names of the quantiles."""
        return [f"q{level * 100:g}" for level in self.card.network.quantiles]

    def _tabulate(self, quantiles: Tensor, inputs: InferenceInputs) -> pl.DataFrame:
        """Convert quantiles (day, stock, horizon, quantile) to rows; stocks without a forecast have none."""
        metadata = inputs.reader.panel.metadata
        point = self.members[0].network.point_forecast(quantiles)
        day, stock, horizon = np.nonzero(point.isfinite().numpy())
        values = quantiles.numpy()[day, stock, horizon]
        dates, codes = pl.Series(metadata.days, dtype=pl.Date), pl.Series(metadata.codes, dtype=pl.String)
        return pl.DataFrame(
            {
                DATE: dates.gather(inputs.day_indices[day]),
                CODE: codes.gather(stock),
                HORIZON: pl.Series(self.card.horizons, dtype=pl.Int16).gather(horizon),
                FORECAST: point.numpy()[day, stock, horizon],
                **{name: values[:, column] for column, name in enumerate(self.quantiles)},
            }
        )


def load_model(folder: Path, device: torch.device = CPU) -> Model:
    """Load a model from its folder to a device; nothing in the folder is executed."""
    card = read_card(folder / CARD)
    if not (folder / WEIGHTS).exists():
        raise InputError(f"{folder} has no {WEIGHTS}.")
    content = (folder / WEIGHTS).read_bytes()
    if hashlib.sha256(content).hexdigest() != card.weights:
        raise InputError(f"{folder / WEIGHTS} was changed or cut off: its hash is not the one in {CARD}.")
    weights = load(content)
    members = [_load_member(card, member, weights, folder) for member in card.members]
    return Model(card, tuple(replace(member, network=member.network.to(device)) for member in members))


def _load_member(card: ModelCard, member: MemberCard, weights: dict[str, Tensor], folder: Path) -> TrainedNetwork:
    network = Atft(card.network, len(card.inputs.scaler.features), card.horizons, len(card.edge_attributes))
    prefix = f"{member.seed}."
    own = {name.removeprefix(prefix): weight for name, weight in weights.items() if name.startswith(prefix)}
    try:
        network.load_state_dict(own)
    except RuntimeError as error:
        raise InputError(f"The weights in {folder} do not fit the network of {CARD}: {error}") from error
    return TrainedNetwork(network.eval(), frozenset(member.modules))


def measure_deviations(
    frame: pl.LazyFrame, universe: pl.DataFrame, horizons: tuple[int, ...], entry_lag: int, days: int
) -> pl.DataFrame:
    """Average the cross-sectional deviation of recent returns for each of the newest days.

    Returns ``date, horizon, deviation``; null where the observations have no targets. The average is over the last
    60 days whose returns had ended by the forecast's day.
    """
    schema = frame.collect_schema()
    targets = [target(horizon) for horizon in horizons if target(horizon) in schema]
    rows = frame.select(DATE, CODE, pl.col(targets).cast(pl.Float64)).collect().with_columns(universe[ELIGIBLE])
    rows = rows.with_columns((pl.col(DATE).rank("dense").cast(pl.Int64) - 1).alias(DAY)).sort(DAY)
    dates = rows[DATE].unique().sort()
    table = []
    for horizon in horizons:
        span = entry_lag + horizon
        daily = _measure_days(rows, target(horizon), span) if target(horizon) in schema else None
        for day in range(len(dates) - days, len(dates)):
            recent = None if daily is None else daily.filter(pl.col(DAY) + span <= day).tail(DEVIATION_DAYS)
            table.append((dates[day], horizon, None if recent is None else recent[DEVIATION].mean()))
    columns = {DATE: pl.Date, HORIZON: pl.Int16, DEVIATION: pl.Float32}
    return pl.DataFrame(table, schema=columns, orient="row")


def _measure_days(rows: pl.DataFrame, name: str, span: int) -> pl.DataFrame:
    """Measure each day's deviation of the returns that end ``span`` days later; those over a gap are left out."""
    ends_in_time = pl.col(DAY).shift(-span).over(CODE) == pl.col(DAY) + span
    known = rows.filter(pl.col(ELIGIBLE) & ends_in_time & pl.col(name).is_finite())
    daily = known.group_by(DAY).agg(pl.col(name).std(ddof=0).alias(DEVIATION), pl.len())
    return daily.filter(pl.col("len") >= MIN_STOCKS).sort(DAY)
