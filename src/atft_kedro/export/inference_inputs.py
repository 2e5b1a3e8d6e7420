"""The newest observations as network inputs; only the rows within a model's lookback are scaled."""

import logging
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import polars as pl
import torch

from ..graph.daily import build_graphs_of
from ..graph.panel_indices import index_graphs
from ..graph.returns import compute_market_history
from ..panel.blocks import BlockReader, PanelGraphs, no_graphs
from ..panel.build import plan_panel
from ..panel.index import PanelIndex, index_observations
from ..panel.sampler import pad_days
from ..panel.scaler import Scaler
from ..panel.store import Panel
from ..panel.universe import select_universe
from ..panel.write import build_panel_in_memory
from ..params import InputError, list_names
from ..schema import CODE, DATE, NEIGHBOUR, code_text, iso_day, target, target_columns
from ..training.data import DAYS_PER_BLOCK
from ..training.hardware import CPU
from .model_card import ModelInputs

LISTED_FEATURES = 5  # in messages

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class InferenceWindow:
    """The lookback, horizons and graph use of a model, and the number of days to forecast."""

    lookback: int
    horizons: tuple[int, ...]
    uses_graph: bool
    days: int
    device: torch.device = CPU


@dataclass(frozen=True)
class InferenceInputs:
    """The newest days as blocks, and the universe of the whole history."""

    frame: pl.LazyFrame
    reader: BlockReader
    universe: pl.DataFrame  # a row for each row of the frame
    days: int  # to forecast

    @property
    def day_indices(self) -> np.ndarray:
        """Return the panel's indices of the days to forecast."""
        return np.arange(self.days) + len(self.reader.panel.metadata.days) - self.days

    @property
    def blocks(self) -> list[np.ndarray]:
        """Split the indices into blocks, which limit the memory; the last one is padded."""
        size = self.reader.days
        return [pad_days(self.day_indices[first : first + size], size) for first in range(0, self.days, size)]


def prepare_inputs(frame: pl.LazyFrame, inputs: ModelInputs, window: InferenceWindow) -> InferenceInputs:
    """Prepare the newest days of a dataset; only a few columns are read of the whole history.

    Each day to forecast has a graph built at its close. In training the graph of a day is up to some days old.
    """
    history = frame.select(DATE, CODE, *inputs.extra_columns).collect()
    universe = select_universe(history.lazy(), inputs.universe)
    index = index_observations(universe)
    _require_stocks(index, window.days)
    is_needed = pl.col(DATE).is_in(index.days[_mark_needed_days(index, window)].tolist())
    panel = _build_panel(frame.filter(is_needed), universe.filter(is_needed), inputs, window)
    graphs = _build_graphs(history.lazy(), index, panel, inputs, window) if window.uses_graph else no_graphs(panel)
    block = min(window.days, DAYS_PER_BLOCK)
    reader = BlockReader(panel.to(window.device), graphs.to(window.device), window.lookback, block)
    return InferenceInputs(frame, reader, universe, window.days)


def _require_stocks(index: PanelIndex, days: int) -> None:
    if days > len(index.days):
        raise InputError(f"{days} days cannot be forecast: the dataset has {len(index.days)}.")
    empty = index.days[-days:][~index.eligible[-days:].any(axis=1)]
    if len(empty):
        raise InputError(f"Nothing can be forecast: no stock is in the model's universe on {empty[-1]}.")


def _mark_needed_days(index: PanelIndex, window: InferenceWindow) -> np.ndarray:
    """Mark the days within the lookback of a stock to forecast; those of a rarely traded stock may be old."""
    observed = index.row_of[:, index.eligible[-window.days :].any(axis=0)] >= 0
    number = observed[::-1].cumsum(axis=0)[::-1]  # (day, stock), the newest observation is number 1
    needed: np.ndarray = np.asarray((observed & (number < window.lookback + window.days)).any(axis=1))
    needed[-window.days :] = True
    return needed


def _build_panel(frame: pl.LazyFrame, universe: pl.DataFrame, inputs: ModelInputs, window: InferenceWindow) -> Panel:
    """Scale the rows of whole days; their targets are replaced by nulls."""
    unknown = [pl.lit(None, dtype=pl.Float32).alias(target(horizon)) for horizon in window.horizons]
    days = frame.drop(target_columns(frame.collect_schema())).with_columns(unknown)
    return build_panel_in_memory(plan_panel(days, index_observations(universe), inputs.scaler, inputs.entry_lag))


def _build_graphs(
    history: pl.LazyFrame, index: PanelIndex, panel: Panel, inputs: ModelInputs, window: InferenceWindow
) -> PanelGraphs:
    """Build a graph for each day to forecast, of the stocks lately in the universe."""
    days_back = max(inputs.graph.window + inputs.graph.lag_days, inputs.graph.refresh_days)
    returns = compute_market_history(history, index, inputs.entry_lag).keep_newest_days(days_back + window.days - 1)
    dates = np.arange(len(returns.index.days))[-window.days :]
    edges = pl.concat(build_graphs_of(dates, returns, inputs.graph))
    in_panel = [pl.col(name).is_in(list(panel.metadata.codes)) for name in (CODE, NEIGHBOUR)]
    return index_graphs(edges.filter(in_panel).lazy(), panel)


def exclude_stocks_with_unknown_features(
    inputs: InferenceInputs, scaler: Scaler, max_unknown_features: float, max_left_out_stocks: float
) -> InferenceInputs:
    """Exclude stocks of which more than ``max_unknown_features`` of the features are unknown.

    A feature is weighted by the share of training rows on which it was known, so that a feature that was rarely known
    in training hardly counts. A day of which such stocks are more than ``max_left_out_stocks``, or all, is refused.
    """
    panel = inputs.reader.panel
    weights = torch.tensor([1 - feature.missing for feature in scaler.features], device=panel.features.device)
    eligible = panel.eligible.clone()
    for day in inputs.day_indices.tolist():
        stocks = eligible[day].nonzero().flatten()
        is_unknown = panel.features[panel.row_of[day, stocks].long()].isnan()  # (stock, feature)
        is_excluded = (is_unknown * weights).sum(1) > max_unknown_features * weights.sum()
        count = int(is_excluded.sum())
        if count > max_left_out_stocks * len(is_unknown) or count == len(is_unknown) > 0:
            limits = (max_unknown_features, max_left_out_stocks)
            raise InputError(_describe_unknown(panel.metadata.days[day], count, is_unknown, scaler, limits))
        eligible[day, stocks[is_excluded]] = False
        if count:
            codes = [panel.metadata.codes[stock] for stock in stocks[is_excluded].tolist()]
            _logger.warning(
                "%s: %d of %d stocks are not forecast, because more than %g %% of their features are unknown "
                "(weighted by how often they were known in training): %s",
                *(panel.metadata.days[day], len(codes), len(stocks), 100 * max_unknown_features),
                list_names(codes),
            )
    reader = inputs.reader
    lookback = reader.steps - reader.days + 1
    known_reader = BlockReader(replace(panel, eligible=eligible), reader.graphs, lookback, reader.days)
    return replace(inputs, reader=known_reader)


def _describe_unknown(
    day: date, excluded_count: int, is_unknown: torch.Tensor, scaler: Scaler, limits: tuple[float, float]
) -> str:
    missing = torch.tensor([feature.missing for feature in scaler.features])
    excess = 100 * (is_unknown.float().mean(0).cpu() - missing)  # percentage points
    largest = excess.argsort(descending=True)[:LISTED_FEATURES].tolist()
    names = ", ".join(f"{scaler.features[column].name} ({excess[column]:+.0f} percentage points)" for column in largest)
    return (
        f"On {day}, {excluded_count} of {len(is_unknown)} stocks lack more than "
        f"{100 * limits[0]:g} % of the features known in training. Features that are unknown more "
        f"often than in training: {names}. Correct the prices or features of that day, or increase "
        f"predict.max_unknown_features or predict.max_left_out_stocks (now {limits[1]:g})."
    )


def parse_keys(frame: pl.LazyFrame) -> pl.LazyFrame:
    """Convert dates to ``Date`` and codes to text; refuse rows without them.

    Dates are dates, timestamps or ISO text; codes are text or numbers, as in the ML dataset.
    """
    schema = frame.collect_schema()
    parsed = [_parse_date(schema[DATE]), _parse_code(schema[CODE])]
    keys = frame.select(*parsed, original=pl.col(DATE)).collect()
    invalid = keys.filter(pl.col(DATE).is_null() & pl.col("original").is_not_null())
    if len(invalid):
        raise InputError(
            f"The column {DATE!r} has {len(invalid)} value(s) that are not dates, first "
            f"{invalid['original'][0]!r}: write dates as 2024-01-31."
        )
    for name in (DATE, CODE):
        if missing := keys[name].null_count():
            row = keys[name].is_null().arg_true()[0]
            raise InputError(
                f"The column {name!r} is empty in {missing} row(s), the first is row {row + 1} "
                f"({keys[row, DATE]}, {keys[row, CODE]}): fill or remove them. A ticker 'NA' becomes empty where "
                "pandas reads a CSV file; read it with keep_default_na=False, or send JSON."
            )
    return frame if schema[DATE] == pl.Date and schema[CODE] == pl.String else frame.with_columns(parsed)


def _parse_date(dtype: pl.DataType) -> pl.Expr:
    if dtype == pl.Date:
        return pl.col(DATE)
    if isinstance(dtype, pl.Datetime):
        return pl.col(DATE).dt.date()
    if dtype == pl.String:
        return iso_day(pl.col(DATE).str.strip_chars()).alias(DATE)
    raise InputError(f"The column {DATE!r} is {dtype}: convert it to dates or ISO text.")


def _parse_code(dtype: pl.DataType) -> pl.Expr:
    if dtype == pl.String:
        return pl.col(CODE)
    if dtype.is_numeric() or isinstance(dtype, pl.Categorical | pl.Enum):
        return code_text(pl.col(CODE)).alias(CODE)
    raise InputError(f"The column {CODE!r} is {dtype}: convert it to text or numbers.")
