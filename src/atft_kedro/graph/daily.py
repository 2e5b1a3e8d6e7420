"""Graphs of all refresh days, as edge tables with codes."""

from collections.abc import Iterator

import numpy as np
import polars as pl
import torch
from torch import Tensor

from ..params import InputError
from ..progress import track_progress
from ..schema import CODE, CORRELATION, GRAPH_DATE, NEIGHBOUR, RANK, SAME_SECTOR, SIZE_SIMILARITY
from .correlation import is_flat, make_decay_weights, standardise
from .neighbours import Edges, GraphParams, Members, choose_neighbours, hash_codes
from .panel_indices import GRAPHS_AT_ONCE
from .returns import MarketHistory

EDGES = pl.Schema(
    {
        GRAPH_DATE: pl.Date,
        CODE: pl.String,
        NEIGHBOUR: pl.String,
        RANK: pl.Int16,
        CORRELATION: pl.Float32,
        SAME_SECTOR: pl.Boolean,
        SIZE_SIMILARITY: pl.Float32,
    }
)


def build_graphs(market: MarketHistory, params: GraphParams) -> Iterator[pl.DataFrame]:
    """Yield the edges of every refresh day."""
    return build_graphs_of(np.arange(0, len(market.index.days), params.refresh_days), market, params)


def build_graphs_of(days: np.ndarray, market: MarketHistory, params: GraphParams) -> Iterator[pl.DataFrame]:
    """Yield the edges of the days with these indices, a few graphs at a time.

    They are sorted by (graph_date, code, rank).
    """
    _require_possible(market, params)
    codes = pl.Series(CODE, market.index.codes, dtype=pl.String)
    returns = market.subtract_market_median() if params.subtract_market else market.returns
    random = hash_codes(market.index.codes, params.seed)
    tables: list[pl.DataFrame] = [pl.DataFrame(schema=EDGES)]
    edge_count = 0
    for day in track_progress(days.tolist(), "graphs"):
        members = _select_members(market, returns, random, day, params)
        tables.append(_tabulate_edges(choose_neighbours(members, params), members, market.index.days[day], codes))
        edge_count += tables[-1].height
        if len(tables) > GRAPHS_AT_ONCE:
            yield pl.concat(tables)
            tables = []
    yield pl.concat([pl.DataFrame(schema=EDGES), *tables])
    if not edge_count:
        raise InputError(
            f"No graph has an edge: {params!r} need more history or more correlation than the dataset has."
        )


def _require_possible(market: MarketHistory, params: GraphParams) -> None:
    """Refuse more neighbours than there are stocks, and sector graphs without sectors."""
    max_stocks = int(market.index.eligible.sum(axis=1).max())
    if params.neighbours >= max_stocks:
        raise InputError(
            f"graph.neighbours = {params.neighbours}: no day has more than {max_stocks} stocks in the universe, "
            f"so a stock has {max(max_stocks - 1, 0)} others at most."
        )
    if params.kind == "sector" and (market.sector < 0).all():
        raise InputError("graph.kind = sector, but the ML dataset has no sectors.")


def _select_members(
    market: MarketHistory, returns: np.ndarray, random: np.ndarray, day: int, params: GraphParams
) -> Members:
    """Select stocks of the recent universe that have enough, varying returns in the window."""
    window = slice(max(day + 1 - params.window, 0), day + 1)
    recent = slice(max(day + 1 - params.refresh_days, 0), day + 1)
    candidate = market.index.eligible[recent].any(axis=0)
    candidate &= np.isfinite(market.returns[window]).sum(axis=0) >= params.min_observations
    stock = np.flatnonzero(candidate)
    stock = stock[~is_flat(torch.from_numpy(market.returns[window][:, stock])).numpy()]
    standardised = lagged = _standardise_window(returns[window][:, stock], window.stop - window.start, params)
    if params.lag_days:
        earlier = slice(max(window.start - params.lag_days, 0), max(window.stop - params.lag_days, 0))
        lagged = _standardise_window(returns[earlier][:, stock], len(standardised), params)
    sector = torch.from_numpy(_last_known(market.sector[window][:, stock]))
    size = torch.from_numpy(_log_mean(market.traded[window][:, stock]))
    return Members(stock, standardised, lagged, sector, size, random[stock])


def _standardise_window(returns: np.ndarray, days: int, params: GraphParams) -> Tensor:
    """Standardise returns (day, member); a window with fewer than ``days`` rows starts with unknown ones."""
    missing = np.full((days - len(returns), returns.shape[1]), np.nan, dtype=returns.dtype)
    weights = make_decay_weights(params.window, params.half_life)[-days:]
    return standardise(torch.from_numpy(np.concatenate([missing, returns])), weights, params.clip)


def _last_known(sector: np.ndarray) -> np.ndarray:
    """Return each stock's last known sector of the window (day, stock)."""
    age = np.argmax(sector[::-1] >= 0, axis=0)
    last: np.ndarray = sector[len(sector) - 1 - age, np.arange(sector.shape[1])]
    return last


def _log_mean(traded: np.ndarray) -> np.ndarray:
    """Compute each stock's size, the log of its mean traded value; NaN if unknown."""
    known = np.isfinite(traded) & (traded > 0)
    mean = np.where(known, traded, 0).sum(axis=0, dtype=np.float64) / np.maximum(known.sum(axis=0), 1)
    size: np.ndarray = np.log(np.where(mean > 0, mean, np.nan)).astype(np.float32)
    return size


def _tabulate_edges(edges: Edges, members: Members, date: np.datetime64, codes: pl.Series) -> pl.DataFrame:
    """Build a graph's edge table with codes."""
    member, similar, sector = edges.member, edges.attributes_of, members.sector
    known = (sector[member] >= 0) & (sector[similar] >= 0)
    same = pl.Series((sector[member] == sector[similar]).numpy()).set(pl.Series((~known).numpy()), None)
    distance = (members.size[member] - members.size[similar]).abs()
    columns = {
        GRAPH_DATE: pl.repeat(date.item(), len(member), dtype=pl.Date, eager=True),
        CODE: codes.gather(members.stock[member.numpy()]),
        NEIGHBOUR: codes.gather(members.stock[edges.neighbour.numpy()]),
        RANK: edges.rank.to(torch.int16).numpy(),
        CORRELATION: edges.correlation.numpy(),
        SAME_SECTOR: same,
        SIZE_SIMILARITY: pl.Series(torch.exp(-distance).numpy()).fill_nan(None),
    }
    return pl.DataFrame(columns, schema=EDGES)
