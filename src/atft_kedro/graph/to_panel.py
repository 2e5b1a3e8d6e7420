"""Graphs brought from codes to places in a panel."""

from collections.abc import Iterator

import numpy as np
import polars as pl
import torch

from ..panel.blocks import ABSENT, DailyGraphs
from ..panel.store import Panel
from ..params import InputError
from ..schema import CODE, EDGE_ATTRIBUTES, GRAPH_DATE, NEIGHBOUR, RANK

GRAPHS_AT_ONCE = 64


def graphs_to_panel(edges: pl.LazyFrame, panel: Panel) -> DailyGraphs:
    """Lay the edge table out by (graph, stock, rank) and give every day the newest graph not after it."""
    dates, ranks = _measure(edges)
    shape = (len(dates), len(panel.metadata.codes), ranks)
    neighbours = np.full(shape, ABSENT, dtype=np.int32)
    values = np.zeros((*shape, len(EDGE_ATTRIBUTES)), dtype=np.float16)
    for table in read_in_batches(edges, dates):
        one, other = (_place(table[name], panel.metadata.codes) for name in (CODE, NEIGHBOUR))
        place = (dates.search_sorted(table[GRAPH_DATE]).to_numpy(), one, table[RANK].to_numpy().astype(np.int64) - 1)
        neighbours[place] = other
        for number, name in enumerate(EDGE_ATTRIBUTES):
            values[(*place, number)] = table[name].cast(pl.Float32).fill_null(0).to_numpy()
    graph_of = np.searchsorted(dates.to_numpy(), panel.days, side="right") - 1
    return DailyGraphs(torch.from_numpy(neighbours), torch.from_numpy(values), torch.from_numpy(graph_of))


def _measure(edges: pl.LazyFrame) -> tuple[pl.Series, int]:
    """List the graphs' dates, and count the most neighbours that a stock has."""
    found = edges.group_by(GRAPH_DATE).agg(pl.col(RANK).max()).sort(GRAPH_DATE).collect(engine="streaming")
    return found[GRAPH_DATE], int(found[RANK].max())  # type: ignore[arg-type]


def _place(codes: pl.Series, known: tuple[str, ...]) -> np.ndarray:
    placed = codes.cast(pl.Enum(known), strict=False)
    if placed.null_count():
        raise InputError(
            f"The graphs know the stock {codes.filter(placed.is_null())[0]!r}, the panel does not; make both from one "
            "ML dataset: kedro run --pipelines prepare,graph"
        )
    return placed.to_physical().to_numpy()


def read_in_batches(edges: pl.LazyFrame, dates: pl.Series) -> Iterator[pl.DataFrame]:
    """Read the edges of some graphs at a time."""
    for start in range(0, len(dates), GRAPHS_AT_ONCE):
        some = dates[start : start + GRAPHS_AT_ONCE]
        yield edges.filter(pl.col(GRAPH_DATE).is_between(some[0], some[-1])).collect()
