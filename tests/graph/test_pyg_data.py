"""Graphs of PyTorch Geometric: equal to the tables that they are made of."""

from dataclasses import replace
from datetime import date

import polars as pl
import pytest
import torch

from atft_kedro.graph.neighbours import GraphParams
from atft_kedro.graph.pyg_data import DailyGraphs
from atft_kedro.panel.split import DateRange, Split
from atft_kedro.params import InputError
from atft_kedro.schema import EDGE_ATTRIBUTES
from atft_kedro.training.data import TrainingData
from factories.datasets import make_graphs
from factories.params import make_params


@pytest.fixture(scope="module")
def daily_graphs(training_data: TrainingData) -> DailyGraphs:
    return DailyGraphs(training_data.panel, training_data.graphs, training_data.split)


def test_a_graph_has_the_features_edges_and_labels_of_its_day(
    daily_graphs: DailyGraphs, ml_dataset: pl.DataFrame
) -> None:
    day = daily_graphs.dates[-40]
    data = daily_graphs.to_pyg(day)
    rows = ml_dataset.filter(pl.col("date") == day, pl.col("code").is_in(data.codes)).sort("code")
    edges = make_graphs(ml_dataset, make_params(GraphParams, neighbours=4)).filter(pl.col("graph_date") <= day)
    newest = edges.filter(pl.col("graph_date") == pl.col("graph_date").max(), pl.col("neighbour").is_in(data.codes))
    newest = newest.filter(pl.col("code").is_in(data.codes))

    data.validate()
    assert data.codes == rows["code"].to_list() == sorted(data.codes)
    returns = rows.select("target_1d", "target_5d").to_torch(dtype=pl.Float32)
    assert torch.allclose(data.y[:, :2], returns, equal_nan=True)
    pairs = {(data.codes[source], data.codes[target]) for source, target in data.edge_index.t().tolist()}
    assert pairs == set(newest.select("neighbour", "code").rows())
    table = newest.sort("code", "rank").select(pl.col(EDGE_ATTRIBUTES).cast(pl.Float32).fill_null(0)).to_torch()
    assert torch.allclose(data.edge_attr, table, atol=1e-3)
    stock = daily_graphs.panel.metadata.codes.index(data.codes[3])
    row = daily_graphs.panel.row_of[daily_graphs.panel.metadata.days.index(day), stock]
    features = daily_graphs.panel.features[row].float()
    assert torch.equal(data.x[3], features.nan_to_num(0))
    assert torch.equal(data.is_missing[3], features.isnan())


def test_a_split_has_no_label_of_later_days(daily_graphs: DailyGraphs) -> None:
    days = daily_graphs.dates[:-60]
    dates = DateRange(split="train", first=days[3], last=days[-1], days=len(days) - 3, last_label_day=days[-1])
    train = replace(daily_graphs, split=Split(name="own", date_ranges=(dates,))).select("train")

    assert train.dates == days[3:]
    assert len(train) == len(daily_graphs) - 63
    assert daily_graphs.to_pyg(days[-1]).y.isfinite().any()
    assert train[len(train) - 1].y.isnan().all()
    known = train[len(train) - 2].y.isfinite().any(0)
    assert known.tolist() == [True, False, False, False]


def test_graphs_can_be_batched_and_contain_the_lookback(daily_graphs: DailyGraphs) -> None:
    from torch_geometric.loader import DataLoader

    batch = next(iter(DataLoader(daily_graphs.select("validation"), batch_size=3)))
    window = DailyGraphs(daily_graphs.panel, daily_graphs.graphs, daily_graphs.split, lookback=5)
    day = daily_graphs.dates[-1]

    assert (batch.num_graphs, len(batch.codes)) == (3, 3)
    assert batch.x.shape == (sum(map(len, batch.codes)), len(daily_graphs.panel.metadata.features))
    assert window.to_pyg(day).x.shape[1] == 5
    assert torch.equal(window.to_pyg(day).x[:, -1], daily_graphs.to_pyg(day).x)


def test_a_day_without_stocks_is_refused(daily_graphs: DailyGraphs) -> None:
    with pytest.raises(InputError, match="No stock is forecast on 1999-01-01; the days are from"):
        daily_graphs.to_pyg(date(1999, 1, 1))
