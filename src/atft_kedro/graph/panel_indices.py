"""Conversion of the stock codes of graphs to a panel's stock indices."""

from collections.abc import Iterator

import numpy as np
import polars as pl
import torch

from ..advice import advise_run
from ..panel.blocks import ABSENT, PanelGraphs
from ..panel.store import Panel
from ..params import InputError
from ..schema import CODE, EDGE_ATTRIBUTES, GRAPH_DATE, NEIGHBOUR, RANK

GRAPHS_AT_ONCE = 64  # graphs that are in memory together


def index_graphs(edges: pl.LazyFrame, panel: Panel) -> PanelGraphs:
    """Convert the edge table to arrays (graph, stock, rank); each day has its newest graph."""
    sizes = edges.group_by(GRAPH_DATE).agg(pl.col(RANK).max()).sort(GRAPH_DATE).collect(engine="streaming")
    dates, codes = sizes[GRAPH_DATE], panel.metadata.codes
    shape = (len(dates), len(codes), int(sizes[RANK].max()))  # type: ignore[arg-type]
    neighbours = np.full(shape, ABSENT, dtype=np.int32)
    attributes = np.zeros((*shape, len(EDGE_ATTRIBUTES)), dtype=np.float16)
    for batch in read_in_batches(edges, dates):
        graph = dates.search_sorted(batch[GRAPH_DATE]).to_numpy()
        edge = (graph, _find_stocks(batch[CODE], codes), batch[RANK].to_numpy().astype(np.int64) - 1)
        neighbours[edge] = _find_stocks(batch[NEIGHBOUR], codes)
        for index, name in enumerate(EDGE_ATTRIBUTES):
            attributes[(*edge, index)] = batch[name].cast(pl.Float32).fill_null(0).to_numpy()
    graph_of = np.searchsorted(dates.to_numpy(), panel.days, side="right") - 1
    return PanelGraphs(torch.from_numpy(neighbours), torch.from_numpy(attributes), torch.from_numpy(graph_of))


def _find_stocks(codes: pl.Series, panel_codes: tuple[str, ...]) -> np.ndarray:
    stocks = codes.cast(pl.Enum(panel_codes), strict=False)
    if stocks.null_count():
        raise InputError(
            f"The graphs contain the stock {codes.filter(stocks.is_null())[0]!r}, the panel does not; build both from "
            f"one ML dataset: {advise_run('--pipelines prepare,graph')}"
        )
    return stocks.to_physical().to_numpy()


def read_in_batches(edges: pl.LazyFrame, dates: pl.Series) -> Iterator[pl.DataFrame]:
    """Yield the edges of a few graphs at a time."""
    for start in range(0, len(dates), GRAPHS_AT_ONCE):
        batch = dates[start : start + GRAPHS_AT_ONCE]
        yield edges.filter(pl.col(GRAPH_DATE).is_between(batch[0], batch[-1])).collect()
