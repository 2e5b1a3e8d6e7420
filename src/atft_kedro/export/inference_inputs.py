"""The newest observations as a model wants them: exactly what its forecasts look at, and nothing else scaled."""

from dataclasses import dataclass

import numpy as np
import polars as pl
import torch

from ..graph.daily import build_graphs_of
from ..graph.returns import read_returns
from ..graph.to_panel import graphs_to_panel
from ..panel.blocks import BlockReader, DailyGraphs, no_graphs
from ..panel.build import draft_panel
from ..panel.index import PanelIndex, index_observations
from ..panel.store import Panel
from ..panel.universe import select_universe
from ..panel.write import build_panel_in_memory
from ..params import InputError
from ..schema import CODE, DATE, NEIGHBOUR, target, target_columns
from ..training.hardware import CPU
from .model_card import ModelInputs


@dataclass(frozen=True)
class Sight:
    """What a model looks at, and on how many days it is asked."""

    lookback: int
    horizons: tuple[int, ...]
    hears_neighbours: bool
    days: int
    device: torch.device = CPU


@dataclass(frozen=True)
class Newest:
    """The newest days, ready to be forecast, and everybody who was ever in the universe."""

    frame: pl.LazyFrame
    reader: BlockReader
    universe: pl.DataFrame  # of every row of the frame

    @property
    def asked(self) -> np.ndarray:
        """Find the places of the days that are asked for."""
        return np.arange(self.reader.days) + len(self.reader.panel.metadata.days) - self.reader.days


def read_newest(frame: pl.LazyFrame, inputs: ModelInputs, sight: Sight) -> Newest:
    """Prepare the newest days of a dataset; of the whole history only a few columns are read.

    Every asked day has a graph of its own, made at its close, where training uses one that is some days old.
    """
    few = frame.select(DATE, CODE, *inputs.beside).collect()
    universe = select_universe(few.lazy(), inputs.universe)
    index = index_observations(universe)
    _require_stocks(index, sight.days)
    seen = pl.col(DATE).is_in(index.days[_days_seen(index, sight)].tolist())
    panel = _lay_out(frame.filter(seen), universe.filter(seen), inputs, sight)
    graphs = _connect(few.lazy(), index, panel, inputs, sight) if sight.hears_neighbours else no_graphs(panel)
    reader = BlockReader(panel.to(sight.device), graphs.to(sight.device), sight.lookback, sight.days)
    return Newest(frame, reader, universe)


def _require_stocks(index: PanelIndex, days: int) -> None:
    if days > len(index.days):
        raise InputError(f"{days} days are asked for, and the dataset has {len(index.days)}.")
    empty = index.days[-days:][~index.eligible[-days:].any(axis=1)]
    if len(empty):
        raise InputError(
            f"No stock is in the universe on {empty[-1]}, as the model's `universe` has it: nothing can be forecast."
        )


def _days_seen(index: PanelIndex, sight: Sight) -> np.ndarray:
    """Mark the days that a stock to be forecast was observed on, as far back as it is looked at; they may be old."""
    observed = index.row_of[:, index.eligible[-sight.days :].any(axis=0)] >= 0
    place = observed[::-1].cumsum(axis=0)[::-1]  # (day, stock), the newest observation is number 1
    seen: np.ndarray = np.asarray((observed & (place < sight.lookback + sight.days)).any(axis=1))
    seen[-sight.days :] = True
    return seen


def _lay_out(frame: pl.LazyFrame, universe: pl.DataFrame, inputs: ModelInputs, sight: Sight) -> Panel:
    """Scale some whole days; their targets, if there are any, are nobody's business."""
    unknown = [pl.lit(None, dtype=pl.Float32).alias(target(horizon)) for horizon in sight.horizons]
    days = frame.drop(target_columns(frame.collect_schema())).with_columns(unknown)
    return build_panel_in_memory(draft_panel(days, index_observations(universe), inputs.scaler, inputs.entry_lag))


def _connect(few: pl.LazyFrame, index: PanelIndex, panel: Panel, inputs: ModelInputs, sight: Sight) -> DailyGraphs:
    """Build a graph for each asked day, of all who were lately in the universe."""
    back = max(inputs.graph.window + inputs.graph.lag_days, inputs.graph.refresh_days)
    market = read_returns(few, index, inputs.entry_lag).newest(back + sight.days - 1)
    dates = np.arange(len(market.index.days))[-sight.days :]
    edges = pl.concat(build_graphs_of(dates, market, inputs.graph))
    here = [pl.col(name).is_in(list(panel.metadata.codes)) for name in (CODE, NEIGHBOUR)]
    return graphs_to_panel(edges.filter(here).lazy(), panel)
