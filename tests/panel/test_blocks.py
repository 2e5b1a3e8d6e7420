"""Blocks hold what a slow loop over days and stocks reads."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from atft_kedro.graph.neighbours import GraphParams
from atft_kedro.graph.panel_indices import index_graphs
from atft_kedro.panel.blocks import Block, BlockReader, PanelGraphs, no_graphs, split_segments
from atft_kedro.panel.split import SplitParams, split_days
from atft_kedro.panel.store import Panel
from atft_kedro.panel.universe import UniverseParams
from factories.datasets import make_graphs
from factories.params import make_params

LOOKBACK, DAYS = 12, 8


@pytest.fixture(scope="module")
def rows(gappy_rows: pl.DataFrame) -> pl.DataFrame:
    return gappy_rows


@pytest.fixture(scope="module")
def panel(gappy_panel: Panel) -> Panel:
    return gappy_panel


@pytest.fixture(scope="module")
def graphs(rows: pl.DataFrame, panel: Panel) -> PanelGraphs:
    params = make_params(GraphParams, neighbours=4, window=60, min_observations=20)
    return index_graphs(make_graphs(rows, params, make_params(UniverseParams, min_history=3)).lazy(), panel)


def window_of(panel: Panel, day: int, stock: int, lookback: int) -> list[int]:
    """The stock's last observations up to a day, found by walking back."""
    seen = [int(panel.row_of[back, stock]) for back in range(day, -1, -1) if panel.row_of[back, stock] >= 0]
    return seen[:lookback][::-1]


@pytest.mark.parametrize("start", [0, 3, 100, 250, 312])
def test_every_forecast_sees_its_stocks_last_observations(panel: Panel, start: int) -> None:
    block = BlockReader(panel, no_graphs(panel), LOOKBACK, DAYS).read(np.arange(start, start + DAYS))

    forecast = set()
    for d, s in block.is_forecast.nonzero().tolist():
        day, stock, step_of_day = int(block.day[d]), int(block.stock[s]), int(block.step_of_day[d, s])
        forecast.add((day, stock))
        window = block.rows[s, step_of_day - LOOKBACK + 1 : step_of_day + 1].tolist()
        assert [row for row in window if row >= 0] == window_of(panel, day, stock, LOOKBACK)
        assert torch.equal(block.targets[d, s].nan_to_num(9), panel.targets[panel.row_of[day, stock]].nan_to_num(9))
    expected = {(d, s) for d in range(start, start + DAYS) for s in panel.eligible[d].nonzero().flatten().tolist()}
    assert forecast == expected


def test_absent_observations_are_nan_in_features_and_targets(panel: Panel) -> None:
    block = BlockReader(panel, no_graphs(panel), LOOKBACK, DAYS).read(np.arange(2, 2 + DAYS))
    values, missing = block.fill_missing()

    assert not block.is_present.all()
    assert block.features[~block.is_present].isnan().all()
    assert block.targets[~block.is_forecast].isnan().all()
    assert torch.equal(values[~missing], block.features[~missing].float())
    assert (values[missing] == 0).all()


@settings(max_examples=40, deadline=None)
@given(day=st.integers(0, 311), offset=st.integers(0, DAYS - 1), other=st.integers(0, DAYS - 1))
def test_a_forecasts_inputs_are_the_same_in_every_block(panel: Panel, day: int, offset: int, other: int) -> None:
    reader = BlockReader(panel, no_graphs(panel), LOOKBACK, DAYS)
    seen = [_inputs(reader, day, shift) for shift in (offset, other)]

    assert seen[0].keys() == seen[1].keys()
    for stock, (features, targets) in seen[0].items():
        assert torch.equal(features.nan_to_num(99), seen[1][stock][0].nan_to_num(99))
        assert torch.equal(targets.nan_to_num(99), seen[1][stock][1].nan_to_num(99))


def _inputs(reader: BlockReader, day: int, index: int) -> dict[int, tuple[torch.Tensor, torch.Tensor]]:
    """Return the inputs of each stock's forecast of a day, from a block in which that day has an index."""
    days = np.arange(max(day - index, 0), day - index + DAYS)
    days = days[days < len(reader.panel.days)]
    block = reader.read(np.append(days, np.full(DAYS - len(days), -1)))
    index = int(np.flatnonzero(days == day)[0])
    stocks = block.is_forecast[index].nonzero().flatten().tolist()
    steps = {s: int(block.step_of_day[index, s]) for s in stocks}
    return {
        int(block.stock[s]): (block.features[s, step_of_day - LOOKBACK + 1 : step_of_day + 1], block.targets[index, s])
        for s, step_of_day in steps.items()
    }


def test_no_stock_is_forecast_on_padding_days(panel: Panel) -> None:
    reader = BlockReader(panel, no_graphs(panel), LOOKBACK, DAYS)
    days = np.arange(50, 50 + DAYS)
    short = np.where(np.arange(DAYS) < 3, days, -1)

    block, whole = reader.read(short), reader.read(days)

    assert not block.is_forecast[3:].any()
    assert torch.equal(block.is_forecast[:3].sum(1), whole.is_forecast[:3].sum(1))
    assert not reader.read(np.full(DAYS, -1)).is_forecast.any()


def test_a_block_has_room_for_the_stocks_of_the_largest_block_only(panel: Panel) -> None:
    days, stocks = panel.eligible.shape
    in_turn = torch.arange(days)[:, None] // 20 % 3 == torch.arange(stocks) % 3
    reader = BlockReader(replace(panel, eligible=in_turn), no_graphs(panel), LOOKBACK, DAYS)

    assert reader.stocks == 24  # two of three groups of ten meet in a block
    assert BlockReader(replace(panel, eligible=in_turn), no_graphs(panel), LOOKBACK, days).stocks == 32


def test_all_blocks_have_one_shape_with_room_for_the_largest(panel: Panel) -> None:
    reader = BlockReader(panel, no_graphs(panel), LOOKBACK, DAYS)
    shapes = {tuple(reader.read(np.arange(day, day + DAYS)).rows.shape) for day in range(0, 312, 40)}
    eligible = panel.eligible.numpy()
    most = max(eligible[day : day + DAYS].any(axis=0).sum() for day in range(len(eligible)))

    assert shapes == {(reader.stocks, LOOKBACK + DAYS - 1)}
    assert most <= reader.stocks < most + 8


def test_neighbours_are_those_of_the_newest_graph_that_are_forecast(
    rows: pl.DataFrame, panel: Panel, graphs: PanelGraphs
) -> None:
    params = make_params(GraphParams, neighbours=4, window=60, min_observations=20)
    edges = make_graphs(rows, params, make_params(UniverseParams, min_history=3))
    block = BlockReader(panel, graphs, LOOKBACK, DAYS).read(np.arange(200, 200 + DAYS))

    found = _named_edges(block, panel)

    for d, day in enumerate(block.day.tolist()):
        date = panel.metadata.days[day]
        graph = edges.filter(pl.col("graph_date") == edges.filter(pl.col("graph_date") <= date)["graph_date"].max())
        forecast_codes = {panel.metadata.codes[s] for s in panel.eligible[day].nonzero().flatten().tolist()}
        expected = {
            (code, other): correlation
            for code, other, correlation in graph.select("code", "neighbour", "correlation").iter_rows()
            if code in forecast_codes and other in forecast_codes
        }
        found_today = {pair: value for (index, *pair), value in found.items() if index == d for pair in [tuple(pair)]}
        stocks = {panel.metadata.codes[s] for s in block.stock[block.is_forecast[d]].tolist()}
        assert {pair for pair in found_today if pair[0] in stocks} == expected.keys()
        assert all(abs(found_today[pair] - expected[pair]) < 1e-3 for pair in expected)


def _named_edges(block: Block, panel: Panel) -> dict[tuple[int, str, str], float]:
    codes = panel.metadata.codes
    return {
        (d, codes[int(block.stock[s])], codes[int(block.stock[int(block.neighbours[d, s, k])])]): float(
            block.edges[d, s, k, 0]
        )
        for d, s, k in (block.neighbours >= 0).nonzero().tolist()
    }


def test_days_before_the_first_graph_and_without_graphs_have_no_neighbours(panel: Panel, graphs: PanelGraphs) -> None:
    early = BlockReader(panel, graphs, LOOKBACK, DAYS).read(np.arange(DAYS))
    none = BlockReader(panel, no_graphs(panel), LOOKBACK, DAYS).read(np.arange(200, 200 + DAYS))

    assert early.is_forecast.any()
    assert (early.neighbours < 0).all()
    assert (none.neighbours < 0).all()


def test_days_that_are_not_consecutive_are_refused(panel: Panel) -> None:
    reader = BlockReader(panel, no_graphs(panel), LOOKBACK, 3)

    with pytest.raises(AssertionError, match="are not consecutive"):
        reader.read(np.array([0, 20, 40]))


def test_the_days_of_a_split_are_segments_without_gaps(panel: Panel) -> None:
    split = split_days(panel.days, make_params(SplitParams, embargo_days=0), 20)

    (train,) = split_segments(panel, split, "train")

    assert train.tolist() == list(range(2, 2 + len(train)))  # on the first two days no stock has enough history
    assert panel.eligible[2].any()
