"""Each refresh day's graph: who is in it, who is whose neighbour, written by code."""

from collections.abc import Iterator

import numpy as np
import polars as pl
import torch
from torch import Tensor

from ..params import InputError
from ..progress import track_progress
from ..schema import CODE, CORRELATION, GRAPH_DATE, NEIGHBOUR, RANK, SAME_SECTOR, SIZE_SIMILARITY
from .correlation import decay, enough_history, is_flat, standardise
from .neighbours import Edges, GraphParams, Members, choose_neighbours, hash_codes
from .returns import MarketHistory
from .to_panel import GRAPHS_AT_ONCE


def build_graphs(market: MarketHistory, params: GraphParams) -> Iterator[pl.DataFrame]:
    """Yield the edges of every refresh day."""
    return build_graphs_of(np.arange(0, len(market.index.days), params.refresh_days), market, params)


def build_graphs_of(dates: np.ndarray, market: MarketHistory, params: GraphParams) -> Iterator[pl.DataFrame]:
    """Yield the edges of some days, a few graphs at a time, sorted by (graph_date, code, rank)."""
    codes = pl.Series(CODE, market.index.codes, dtype=pl.String)
    relative = market.subtract_market_median() if params.subtract_market else market.returns
    luck = hash_codes(market.index.codes, params.seed)
    _require_possible(market, params)
    frames: list[pl.DataFrame] = [_no_edges()]
    edges = 0
    for date in track_progress(dates, "graphs", len(dates)):
        members = _gather_members(market, relative, luck, int(date), params)
        found = choose_neighbours(members, params)
        frames.append(_name_edges(found, members, market, int(date), codes))
        edges += frames[-1].height
        if len(frames) > GRAPHS_AT_ONCE:
            yield pl.concat(frames)
            frames = []
    yield pl.concat([_no_edges(), *frames])
    if not edges:
        raise InputError(f"No graph has an edge: {params!r} ask for more history or correlation than there is.")


def _require_possible(market: MarketHistory, params: GraphParams) -> None:
    most = int(market.index.eligible.sum(axis=1).max())
    if params.neighbours >= most:
        raise InputError(
            f"graph.neighbours = {params.neighbours}: no day has more than {most} stocks in the universe, "
            f"so a stock has {max(most - 1, 0)} others at most."
        )
    if params.kind == "sector" and (market.sector < 0).all():
        raise InputError("graph.kind = sector, but the ML dataset names no sectors.")


def _gather_members(
    market: MarketHistory, relative: np.ndarray, luck: np.ndarray, date: int, params: GraphParams
) -> Members:
    """Take the stocks that were lately in the universe, with enough returns in the window, and moved."""
    window = slice(max(date + 1 - params.window, 0), date + 1)
    lately = slice(max(date + 1 - params.refresh_days, 0), date + 1)
    candidate = market.index.eligible[lately].any(axis=0)
    candidate &= enough_history(market.returns[window], params.min_observations)
    place = np.flatnonzero(candidate)
    place = place[~is_flat(torch.from_numpy(market.returns[window][:, place])).numpy()]
    shape = _shape(relative, window, place, params)
    back = slice(max(window.start - params.lag_days, 0), max(window.stop - params.lag_days, 0))
    earlier = _shape(relative, back, place, params, len(shape)) if params.lag_days else shape
    sector, size = _newest(market.sector[window][:, place]), _log_mean(market.traded[window][:, place])
    return Members(place, shape, earlier, torch.from_numpy(sector), torch.from_numpy(size), luck[place])


def _shape(
    relative: np.ndarray, window: slice, place: np.ndarray, params: GraphParams, days: int | None = None
) -> Tensor:
    """Standardise the returns of a window (day, member); where it has fewer days than asked, the first are unknown."""
    known = relative[window][:, place]
    missing = np.full(((days or len(known)) - len(known), len(place)), np.nan, dtype=known.dtype)
    weights = decay(params.window, params.half_life)[-(days or len(known)) :]
    return standardise(torch.from_numpy(np.concatenate([missing, known])), weights, params.clip)


def _newest(sector: np.ndarray) -> np.ndarray:
    """Take each stock's last known sector of the window (day, stock)."""
    back = np.argmax(sector[::-1] >= 0, axis=0)
    newest: np.ndarray = sector[len(sector) - 1 - back, np.arange(sector.shape[1])]
    return newest


def _log_mean(traded: np.ndarray) -> np.ndarray:
    """Measure each stock's size by what is traded of it; NaN where that is unknown."""
    known = np.isfinite(traded) & (traded > 0)
    mean = np.where(known, traded, 0).sum(axis=0, dtype=np.float64) / np.maximum(known.sum(axis=0), 1)
    size: np.ndarray = np.log(np.where(mean > 0, mean, np.nan)).astype(np.float32)
    return size


def _name_edges(edges: Edges, members: Members, market: MarketHistory, date: int, codes: pl.Series) -> pl.DataFrame:
    """Write a graph's edges with codes instead of places."""
    one, like, sector = edges.one, edges.like, members.sector
    known = (sector[one] >= 0) & (sector[like] >= 0)
    same = pl.Series((sector[one] == sector[like]).numpy()).set(pl.Series((~known).numpy()), None)
    distance = (members.size[one] - members.size[like]).abs()
    named = {
        GRAPH_DATE: pl.repeat(market.index.days[date].item(), len(one), dtype=pl.Date, eager=True),
        CODE: codes.gather(members.place[one.numpy()]),
        NEIGHBOUR: codes.gather(members.place[edges.other.numpy()]),
        RANK: edges.rank.to(torch.int16).numpy(),
        CORRELATION: edges.correlation.numpy(),
        SAME_SECTOR: same,
        SIZE_SIMILARITY: pl.Series(torch.exp(-distance).numpy()).fill_nan(None),
    }
    return pl.DataFrame(named, schema=_no_edges().schema)


def _no_edges() -> pl.DataFrame:
    return pl.DataFrame(
        schema={
            GRAPH_DATE: pl.Date,
            CODE: pl.String,
            NEIGHBOUR: pl.String,
            RANK: pl.Int16,
            CORRELATION: pl.Float32,
            SAME_SECTOR: pl.Boolean,
            SIZE_SIMILARITY: pl.Float32,
        }
    )
