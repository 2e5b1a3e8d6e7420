"""A handed-on model, loaded: observations in, ranked forecasts out."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
import torch
from pydantic import ValidationError
from safetensors.torch import load
from torch import Tensor

from ..network.atft import Atft
from ..params import InputError
from ..schema import CODE, DATE, EDGE_ATTRIBUTES, FORECAST, HORIZON, RANK
from ..training.ensemble import TrainedNetwork, forecast_blocks, mean_forecasts
from ..training.hardware import CPU
from .deviation import DEVIATION, measure_deviations
from .inference_inputs import Newest, Sight, read_newest
from .keys import read_keys
from .model_card import CARD, WEIGHTS, MemberCard, ModelCard


@dataclass(frozen=True)
class Model:
    """A run's networks and their card."""

    card: ModelCard
    members: tuple[TrainedNetwork, ...]

    def forecast(self, observations: pl.DataFrame | pl.LazyFrame, days: int = 1) -> pl.DataFrame:
        """Forecast the newest days of some observations: date, code, horizon, rank, forecast, quantiles, deviation.

        Observations are rows of an ML dataset under our names, as far back as the model looks; whatever history
        they have beyond that decides with it who is in the universe. Dates may be ISO text, codes whole numbers.
        Rank 1 is the best of its day and horizon; forecast times deviation is a return beside the day's mean. The
        deviation is what was known at the day's close, and null where the observations trend_projection no targets.
        """
        return self.forecast_newest(self.read(observations, days))

    def read(self, observations: pl.DataFrame | pl.LazyFrame, days: int = 1) -> Newest:
        """Prepare the newest days of some observations."""
        frame = observations.lazy()
        self.card.inputs.require_columns(frame.collect_schema().names())
        return read_newest(read_keys(frame), self.card.inputs, self._sight(days))

    def forecast_newest(self, newest: Newest) -> pl.DataFrame:
        """Forecast the newest days that were prepared."""
        said = mean_forecasts(forecast_blocks(self.members, newest.reader, [newest.asked]))
        table = self._tabulate(self.card.corrections.correct(said.quantiles, self.card.horizons), newest)
        place = pl.col(FORECAST).rank("min", descending=True).over(DATE, HORIZON)
        deviations = measure_deviations(
            newest.frame, newest.universe, self.card.horizons, self.card.inputs.entry_lag, newest.reader.days
        )
        ranked = table.with_columns(place.cast(pl.Int32).alias(RANK)).join(deviations, on=[DATE, HORIZON], how="left")
        return ranked.select(DATE, CODE, HORIZON, RANK, FORECAST, *self.quantiles, DEVIATION).sort(
            DATE, HORIZON, RANK, CODE
        )

    @property
    def quantiles(self) -> list[str]:
        """Name the columns of the quantiles."""
        return [f"q{level * 100:g}" for level in self.card.network.quantiles]

    def _sight(self, days: int) -> Sight:
        hears = any("gat" in each.modules for each in self.members)
        device = self.members[0].network.heads.linear.weight.device
        return Sight(self.card.network.lookback, self.card.horizons, hears, days, device)

    def _tabulate(self, quantiles: Tensor, newest: Newest) -> pl.DataFrame:
        """Write what is said (day, stock, horizon, quantile) as rows."""
        metadata = newest.reader.panel.metadata
        point = self.members[0].network.point(quantiles)
        day, stock, horizon = np.nonzero(point.isfinite().numpy())
        said = quantiles.numpy()[day, stock, horizon]
        dates, codes = pl.Series(metadata.days, dtype=pl.Date), pl.Series(metadata.codes, dtype=pl.String)
        return pl.DataFrame(
            {
                DATE: dates.gather(newest.asked[day]),
                CODE: codes.gather(stock),
                HORIZON: pl.Series(self.card.horizons, dtype=pl.Int16).gather(horizon),
                FORECAST: point.numpy()[day, stock, horizon],
                **{name: said[:, at] for at, name in enumerate(self.quantiles)},
            }
        )


def open_model(folder: Path, device: torch.device = CPU) -> Model:
    """Load a model from its folder to the device that it forecasts on; nothing in the folder is run."""
    card = _read_card(folder / CARD)
    if not (folder / WEIGHTS).exists():
        raise InputError(f"{folder} has no {WEIGHTS}.")
    content = (folder / WEIGHTS).read_bytes()
    if hashlib.sha256(content).hexdigest() != card.weights:
        raise InputError(f"{folder / WEIGHTS} is not the file that {CARD} was written with: cut off, or another's.")
    weights = load(content)
    members = [_make_expert(card, member, weights, folder) for member in card.members]
    return Model(card, tuple(replace(trained, network=trained.network.to(device)) for trained in members))


def _make_expert(card: ModelCard, member: MemberCard, weights: dict[str, Tensor], folder: Path) -> TrainedNetwork:
    """Make one of a model's networks, with exactly the weights it had."""
    network = Atft(card.network, len(card.inputs.scaler.features), card.horizons, len(card.edge_attributes))
    prefix = f"{member.seed}."
    mine = {name.removeprefix(prefix): weight for name, weight in weights.items() if name.startswith(prefix)}
    try:
        network.load_state_dict(mine)
    except RuntimeError as error:
        raise InputError(f"The weights in {folder} do not fit the network of {CARD}: {error}") from error
    return TrainedNetwork(network.eval(), frozenset(member.modules))


def _read_card(path: Path) -> ModelCard:
    if not path.exists():
        raise InputError(f"{path.parent} is no handed-on model: it has no {path.name}.")
    try:
        card = ModelCard.model_validate_json(path.read_text())
    except ValidationError as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    if card.edge_attributes != EDGE_ATTRIBUTES:
        raise InputError(f"{path}: the model knows the edges' {card.edge_attributes}, this version {EDGE_ATTRIBUTES}.")
    return card
