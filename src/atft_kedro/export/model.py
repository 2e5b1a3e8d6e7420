"""An exported model: loaded to forecast from observations, or prepared for MLflow's registry."""

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
from ..schema import CODE, DATE, ELIGIBLE, FORECAST, HORIZON, QUOTES, RANK, SECTOR, VWAP, target
from ..training.forecasting import TrainedNetwork, forecast_blocks, mean_forecasts
from ..training.hardware import CPU
from .inference_inputs import (
    InferenceInputs,
    InferenceWindow,
    exclude_stocks_with_unknown_features,
    parse_keys,
    prepare_inputs,
)
from .model_card import CARD_FILE, WEIGHTS_FILE, MemberCard, ModelCard, read_card
from .price_forecasts import (
    IS_INCOMPLETE,
    REASON,
    PriceForecasts,
    collect_price_forecasts,
    compute_observations,
    parse_prices,
)

DEVIATION = "deviation"  # column of the mean standard deviation of recent returns
DEVIATION_DAYS = 60  # most days in the mean of the daily standard deviations
DAY_INDEX = "day_index"
SPARE_DAYS = 5  # of the needed days, on which a stock may have no row
EXAMPLE_ROWS = 3  # of a registration


@dataclass(frozen=True)
class Model:
    """The networks of a run and their metadata (`model.json`)."""

    card: ModelCard
    members: tuple[TrainedNetwork, ...]

    def forecast(self, observations: pl.DataFrame | pl.LazyFrame, days: int = 1) -> pl.DataFrame:
        """Forecast the newest days: date, code, horizon, rank, forecast, quantiles, deviation.

        Observations are rows of an ML dataset under the project's column names, with at least ``lookback`` rows per
        stock. The stock universe is computed from all given rows, so more history can change which stocks are forecast.
        Dates may be ISO text, codes whole numbers. Rank 1 is the highest forecast of its day and horizon; equal
        forecasts share the lowest rank. Forecast times deviation is the expected return minus the mean return of the
        day. The deviation uses only returns that ended on or before the day. It is null if the observations have no
        targets, or if no earlier day has enough stocks.
        """
        return self.forecast_inputs(self.prepare(observations, days))

    def forecast_prices(self, prices: pl.DataFrame | pl.LazyFrame, days: int = 1) -> PriceForecasts:
        """Forecast the newest days from prices, bit-equal to the pipeline `predict`.

        Prices have the columns ``date, code, open, high, low, close, volume`` and, if the training had it, ``sector``
        and ``vwap``; upper case and the order of rows do not matter. They are cleaned as in the training. Give at
        least `needed_days` days. A stock that cannot be forecast is listed in the result's ``left_out``.
        """
        inputs = self.card.inputs.require_prices()
        parsed = parse_prices(prices, inputs)
        prepared = self.prepare(compute_observations(parsed, inputs), days)
        scaler, requested = self.card.inputs.scaler, parsed.select(CODE).collect()[CODE]
        known = exclude_stocks_with_unknown_features(prepared, scaler, inputs.max_unknown_features, 1)
        return collect_price_forecasts(self.forecast_inputs(known), requested, prepared.universe, self.card.inputs)

    @property
    def needed_days(self) -> int:
        """Compute how many trading days a forecast of the newest day uses.

        A stock may have no row on `SPARE_DAYS` of them; a stock that trades less often needs more days.
        """
        inputs, features = self.card.inputs, 0
        if inputs.prices is not None:
            features = max(feature.lookback for feature in inputs.prices.features.features())
        universe = max(inputs.universe.min_history, inputs.universe.traded_days)
        forecast = self.card.network.lookback + max(features, universe)
        graph = inputs.graph.window + inputs.graph.lag_days + universe if self.uses_graph else 0
        deviation = DEVIATION_DAYS + max(self.card.horizons) + inputs.entry_lag + universe
        return max(forecast, graph, deviation) + SPARE_DAYS

    @property
    def uses_graph(self) -> bool:
        """Return whether the graph attention of a network is switched on."""
        return any("gat" in member.modules for member in self.members)

    def prepare(self, observations: pl.DataFrame | pl.LazyFrame, days: int = 1) -> InferenceInputs:
        """Prepare the newest days of some observations."""
        frame = observations.lazy()
        self.card.inputs.require_columns(frame.collect_schema().names())
        device = self.members[0].network.heads.linear.weight.device
        window = InferenceWindow(self.card.network.lookback, self.card.horizons, self.uses_graph, days, device)
        return prepare_inputs(parse_keys(frame), self.card.inputs, window)

    def forecast_inputs(self, inputs: InferenceInputs) -> pl.DataFrame:
        """Forecast prepared days."""
        output = mean_forecasts(forecast_blocks(self.members, inputs.reader, inputs.blocks))
        table = self._tabulate(self.card.corrections.correct(output.quantiles, self.card.horizons), inputs)
        rank = pl.col(FORECAST).rank("min", descending=True).over(DATE, HORIZON)
        deviations = measure_deviations(
            inputs.frame, inputs.universe, self.card.horizons, self.card.inputs.entry_lag, inputs.days
        )
        ranked = table.with_columns(rank.cast(pl.Int32).alias(RANK)).join(deviations, on=[DATE, HORIZON], how="left")
        columns = (DATE, CODE, HORIZON, RANK, FORECAST, *self.quantile_columns, DEVIATION)
        return ranked.select(columns).sort(DATE, HORIZON, RANK, CODE)

    @property
    def quantile_columns(self) -> list[str]:
        """List the column names of the quantiles."""
        return [f"q{level * 100:g}" for level in self.card.network.quantiles]

    def _tabulate(self, quantiles: Tensor, inputs: InferenceInputs) -> pl.DataFrame:
        """Convert quantiles (day, stock, horizon, quantile) to rows; stocks without a forecast have no rows."""
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
                **{name: values[:, column] for column, name in enumerate(self.quantile_columns)},
            }
        )


def load_model(folder: Path, device: torch.device = CPU) -> Model:
    """Load a model from its folder to a device; only the reader's own plug-ins are run.

    The folder has JSON and tensors only.
    """
    card = read_card(folder / CARD_FILE)
    card.require_plugins()
    path = folder / WEIGHTS_FILE
    if not path.exists():
        raise InputError(f"{folder} has no {WEIGHTS_FILE}.")
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != card.weights_sha256:
        raise InputError(f"{path} was changed or is truncated: its hash is not the one in {CARD_FILE}.")
    weights = load(content)
    members = [_load_member(card, member, weights, folder) for member in card.members]
    return Model(card, tuple(replace(member, network=member.network.to(device)) for member in members))


def _load_member(card: ModelCard, member: MemberCard, weights: dict[str, Tensor], folder: Path) -> TrainedNetwork:
    network = Atft(card.network, len(card.inputs.scaler.features), card.horizons, len(card.edge_attributes))
    prefix = f"{member.seed}."
    member_weights = {name.removeprefix(prefix): weight for name, weight in weights.items() if name.startswith(prefix)}
    try:
        network.load_state_dict(member_weights)
    except RuntimeError as error:
        raise InputError(f"The weights in {folder} do not match the network of {CARD_FILE}: {error}") from error
    return TrainedNetwork(network.eval(), frozenset(member.modules))


def measure_deviations(
    frame: pl.LazyFrame, universe: pl.DataFrame, horizons: tuple[int, ...], entry_lag: int, days: int
) -> pl.DataFrame:
    """Average the daily standard deviation of recent returns for each of the newest days.

    Returns ``date, horizon, deviation``. The average is over at most the last `DEVIATION_DAYS` days whose returns had
    ended by the forecast's day; null if no such day has enough stocks, or if the observations have no targets.
    ``universe`` has a row for each row of ``frame``, in the same order.
    """
    schema = frame.collect_schema()
    targets = [target(horizon) for horizon in horizons if target(horizon) in schema]
    rows = frame.select(DATE, CODE, pl.col(targets).cast(pl.Float64)).collect().with_columns(universe[ELIGIBLE])
    rows = rows.with_columns((pl.col(DATE).rank("dense").cast(pl.Int64) - 1).alias(DAY_INDEX)).sort(DAY_INDEX)
    dates = rows[DATE].unique().sort()
    table = []
    for horizon in horizons:
        days_to_end = entry_lag + horizon
        daily = _measure_days(rows, target(horizon), days_to_end) if target(horizon) in schema else None
        for day in range(len(dates) - days, len(dates)):
            has_ended = pl.col(DAY_INDEX) + days_to_end <= day
            recent = None if daily is None else daily.filter(has_ended).tail(DEVIATION_DAYS)
            table.append((dates[day], horizon, None if recent is None else recent[DEVIATION].mean()))
    columns = {DATE: pl.Date, HORIZON: pl.Int16, DEVIATION: pl.Float32}
    return pl.DataFrame(table, schema=columns, orient="row")


def _measure_days(rows: pl.DataFrame, name: str, days_to_end: int) -> pl.DataFrame:
    """Compute each day's standard deviation of the returns that end ``days_to_end`` days later.

    Omitted are returns over days on which the stock has no row, and days with fewer than `MIN_STOCKS` stocks.
    """
    has_no_gap = pl.col(DAY_INDEX).shift(-days_to_end).over(CODE) == pl.col(DAY_INDEX) + days_to_end
    known = rows.filter(pl.col(ELIGIBLE) & has_no_gap & pl.col(name).is_finite())
    daily = known.group_by(DAY_INDEX).agg(pl.col(name).std(ddof=0).alias(DEVIATION), pl.len())
    return daily.filter(pl.col("len") >= MIN_STOCKS).sort(DAY_INDEX)


@dataclass(frozen=True)
class Registration:
    """A model to register."""

    folder: Path
    run: str
    example: pl.DataFrame  # prices, or observations, with the required columns
    optional: pl.Schema  # of the other columns that the model reads
    output: pl.Schema  # of forecasts


def prepare_registration(folder: Path, dataset: pl.LazyFrame) -> Registration:
    """Collect the schemas of a model and example rows of the newest day."""
    model = load_model(folder)
    prices, inputs = model.card.inputs.prices, model.card.inputs
    required = inputs.columns if prices is None else prices.columns
    others = [target(horizon) for horizon in model.card.horizons] if prices is None else [SECTOR, *QUOTES, VWAP]
    schema = dataset.collect_schema()  # a column that is only ranked is not in the dataset
    known = [pl.col(name) if name in schema else pl.lit(None, pl.Float32).alias(name) for name in required]
    newest = dataset.filter(pl.col(DATE) == pl.col(DATE).max()).select(known).sort(CODE).head(EXAMPLE_ROWS)
    output = pl.Schema({DATE: pl.Date, CODE: pl.String, HORIZON: pl.Int16, RANK: pl.Int32})
    output |= dict.fromkeys((FORECAST, *model.quantile_columns, DEVIATION), pl.Float32())
    if prices is not None:
        output |= {REASON: pl.String(), IS_INCOMPLETE: pl.Boolean()}
    types = {name: pl.String() if name == SECTOR else pl.Float32() for name in others}
    optional = pl.Schema({name: dtype for name, dtype in types.items() if name not in required})
    return Registration(folder, model.card.run, newest.collect(), optional, output)
