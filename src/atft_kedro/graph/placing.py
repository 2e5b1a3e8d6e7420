"""Graphs brought from codes to places in a panel."""

import numpy as np
import polars as pl
import torch

from ..panel.blocks import ABSENT, DailyGraphs
from ..panel.store import Panel
from ..params import InputError
from ..schema import CODE, EDGE_ATTRIBUTES, GRAPH_DATE, NEIGHBOUR, RANK


def place_graphs(edges: pl.LazyFrame, panel: Panel) -> DailyGraphs:
    """Lay the edge table out by (graph, stock, rank) and give every day the newest graph not after it."""
    codes = pl.Enum(panel.meaning.codes)
    one, other = (pl.col(name).cast(codes, strict=False).to_physical().alias(name) for name in (CODE, NEIGHBOUR))
    attributes = [pl.col(name).cast(pl.Float32).fill_null(0) for name in EDGE_ATTRIBUTES]
    known = edges.select(GRAPH_DATE, one, other, pl.col(RANK).cast(pl.Int64) - 1, *attributes)
    table = known.drop_nulls().collect()
    if not table.height:
        raise InputError("The graphs and the panel have no stocks in common; make both from one ML dataset.")
    dates = table[GRAPH_DATE].unique().sort().to_numpy()
    graph = np.searchsorted(dates, table[GRAPH_DATE].to_numpy())
    place = (graph, table[CODE].to_numpy(), table[RANK].to_numpy())
    shape = (len(dates), len(panel.meaning.codes), int(table[RANK].max()) + 1)  # type: ignore[arg-type]
    neighbours = np.full(shape, ABSENT, dtype=np.int32)
    neighbours[place] = table[NEIGHBOUR].to_numpy()
    values = np.zeros((*shape, len(EDGE_ATTRIBUTES)), dtype=np.float16)
    for number, name in enumerate(EDGE_ATTRIBUTES):
        values[(*place, number)] = table[name].to_numpy()
    graph_of = np.searchsorted(dates, panel.days, side="right") - 1
    return DailyGraphs(torch.from_numpy(neighbours), torch.from_numpy(values), torch.from_numpy(graph_of))
