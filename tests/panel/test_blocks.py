"""Blocks: what a slow loop over days and stocks would read, whichever block reads it."""

import math
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from atft_kedro.graph.neighbours import GraphParams
from atft_kedro.graph.to_panel import graphs_to_panel
from atft_kedro.panel.blocks import Block, BlockReader, DailyGraphs, last_label_days, no_graphs, split_segments
from atft_kedro.panel.split import SplitName, SplitParams, split_days
from atft_kedro.panel.store import Panel
from atft_kedro.panel.universe import UniverseParams
from factories.datasets import make_graphs, make_panel
from factories.params import make_params

LOOKBACK, DAYS = 12, 8


@pytest.fixture(scope="module")
def rows(ml_dataset: pl.DataFrame) -> pl.DataFrame:
    """A market with young stocks, gaps and delistings; some more gaps make it worse."""
    worse = pl.col("code").hash(3) % 5 == 0
    return ml_dataset.filter(~worse | (pl.col("date").hash(5) % 3 > 0))


@pytest.fixture(scope="module")
def panel(rows: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Panel:
    return make_panel(rows, tmp_path_factory.mktemp("blocks") / "panel", make_params(UniverseParams, min_history=3))


@pytest.fixture(scope="module")
def graphs(rows: pl.DataFrame, panel: Panel) -> DailyGraphs:
    params = make_params(GraphParams, neighbours=4, window=60, min_observations=20)
    return graphs_to_panel(make_graphs(rows, params, make_params(UniverseParams, min_history=3)).lazy(), panel)


def window_of(panel: Panel, day: int, stock: int, lookback: int) -> list[int]:
    """The stock's last observations up to a day, found by walking back."""
    seen = [int(panel.row_of[back, stock]) for back in range(day, -1, -1) if panel.row_of[back, stock] >= 0]
    return seen[:lookback][::-1]


@pytest.mark.parametrize("start", [0, 3, 100, 250, 312])
def test_every_forecast_sees_its_stocks_last_observations(panel: Panel, start: int) -> None:
    block = BlockReader(panel, no_graphs(panel), LOOKBACK, DAYS).read(np.arange(start, start + DAYS))

    forecast = set()
    for d, s in block.is_forecast.nonzero().tolist():
        day, stock, slot = int(block.day[d]), int(block.stock[s]), int(block.slot[d, s])
        forecast.add((day, stock))
        window = block.rows[s, slot - LOOKBACK + 1 : slot + 1].tolist()
        assert [row for row in window if row >= 0] == window_of(panel, day, stock, LOOKBACK)
        assert torch.equal(block.targets[d, s].nan_to_num(9), panel.targets[panel.row_of[day, stock]].nan_to_num(9))
    expected = {(d, s) for d in range(start, start + DAYS) for s in panel.eligible[d].nonzero().flatten().tolist()}
    assert forecast == expected


def test_absent_is_nan_in_features_and_targets(panel: Panel) -> None:
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


def _inputs(reader: BlockReader, day: int, place: int) -> dict[int, tuple[torch.Tensor, torch.Tensor]]:
    """What each stock's forecast of a day sees, from a block in which that day has a given place."""
    days = np.arange(max(day - place, 0), day - place + DAYS)
    days = days[days < len(reader.panel.days)]
    block = reader.read(np.append(days, np.full(DAYS - len(days), -1)))
    place = int(np.flatnonzero(days == day)[0])
    stocks = block.is_forecast[place].nonzero().flatten().tolist()
    slots = {s: int(block.slot[place, s]) for s in stocks}
    return {
        int(block.stock[s]): (block.features[s, slot - LOOKBACK + 1 : slot + 1], block.targets[place, s])
        for s, slot in slots.items()
    }


def test_padding_days_are_nobodys(panel: Panel) -> None:
    reader = BlockReader(panel, no_graphs(panel), LOOKBACK, DAYS)
    days = np.arange(50, 50 + DAYS)
    short = np.where(np.arange(DAYS) < 3, days, -1)

    block, whole = reader.read(short), reader.read(days)

    assert not block.is_forecast[3:].any()
    assert torch.equal(block.is_forecast[:3].sum(1), whole.is_forecast[:3].sum(1))
    assert not reader.read(np.full(DAYS, -1)).is_forecast.any()


def test_no_label_is_realised_after_the_day_it_must_be_known_by(panel: Panel) -> None:
    start, limit = 100, 109
    until = np.full(len(panel.days), limit)
    block = BlockReader(panel, no_graphs(panel), LOOKBACK, DAYS, until).read(np.arange(start, start + DAYS))

    seen = set()
    for d, s, p in (~block.targets.isnan()).nonzero().tolist():
        own = panel.row_of[:, block.stock[s]]
        realised = (own == own[block.day[d]] + panel.metadata.horizons[p]).nonzero()
        seen.add(int(realised[0]))
    assert max(seen) == limit


def test_room_is_made_for_the_fullest_block_and_not_for_everybody(panel: Panel) -> None:
    days, stocks = panel.eligible.shape
    in_turn = torch.arange(days)[:, None] // 20 % 3 == torch.arange(stocks) % 3
    reader = BlockReader(replace(panel, eligible=in_turn), no_graphs(panel), LOOKBACK, DAYS)

    assert reader.stocks == 24  # two of three groups of ten meet in a block
    assert BlockReader(replace(panel, eligible=in_turn), no_graphs(panel), LOOKBACK, days).stocks == 32


def test_all_blocks_have_one_shape_that_holds_the_fullest(panel: Panel) -> None:
    reader = BlockReader(panel, no_graphs(panel), LOOKBACK, DAYS)
    shapes = {tuple(reader.read(np.arange(day, day + DAYS)).rows.shape) for day in range(0, 312, 40)}
    eligible = panel.eligible.numpy()
    most = max(eligible[day : day + DAYS].any(axis=0).sum() for day in range(len(eligible)))

    assert shapes == {(reader.stocks, LOOKBACK + DAYS - 1)}
    assert most <= reader.stocks < most + 8


def test_neighbours_are_those_of_the_newest_graph_that_are_awake(
    rows: pl.DataFrame, panel: Panel, graphs: DailyGraphs
) -> None:
    params = make_params(GraphParams, neighbours=4, window=60, min_observations=20)
    edges = make_graphs(rows, params, make_params(UniverseParams, min_history=3))
    block = BlockReader(panel, graphs, LOOKBACK, DAYS).read(np.arange(200, 200 + DAYS))

    found = _named_edges(block, panel)

    for d, day in enumerate(block.day.tolist()):
        date = panel.metadata.days[day]
        graph = edges.filter(pl.col("graph_date") == edges.filter(pl.col("graph_date") <= date)["graph_date"].max())
        awake = {panel.metadata.codes[s] for s in panel.eligible[day].nonzero().flatten().tolist()}
        expected = {
            (code, other): correlation
            for code, other, correlation in graph.select("code", "neighbour", "correlation").iter_rows()
            if code in awake and other in awake
        }
        mine = {pair: value for (place, *pair), value in found.items() if place == d for pair in [tuple(pair)]}
        stocks = {panel.metadata.codes[s] for s in block.stock[block.is_forecast[d]].tolist()}
        assert {pair for pair in mine if pair[0] in stocks} == expected.keys()
        assert all(abs(mine[pair] - expected[pair]) < 1e-3 for pair in expected)


def _named_edges(block: Block, panel: Panel) -> dict[tuple[int, str, str], float]:
    codes = panel.metadata.codes
    return {
        (d, codes[int(block.stock[s])], codes[int(block.stock[int(block.neighbours[d, s, k])])]): float(
            block.edges[d, s, k, 0]
        )
        for d, s, k in (block.neighbours >= 0).nonzero().tolist()
    }


def test_days_before_the_first_graph_and_without_graphs_leave_every_stock_alone(
    panel: Panel, graphs: DailyGraphs
) -> None:
    early = BlockReader(panel, graphs, LOOKBACK, DAYS).read(np.arange(DAYS))
    none = BlockReader(panel, no_graphs(panel), LOOKBACK, DAYS).read(np.arange(200, 200 + DAYS))

    assert early.is_forecast.any()
    assert (early.neighbours < 0).all()
    assert (none.neighbours < 0).all()


def test_labels_end_before_the_next_part_begins_even_for_stocks_with_gaps(panel: Panel) -> None:
    split = split_days(panel.days, make_params(SplitParams, embargo_days=0), 20)
    until = last_label_days(panel, split.ranges_of("train"))
    last = int(split.indices_of("train", panel.days)[-1])
    days = np.arange(last - DAYS + 1, last + 1)

    block = BlockReader(panel, no_graphs(panel), LOOKBACK, DAYS, until).read(days)
    free = BlockReader(panel, no_graphs(panel), LOOKBACK, DAYS).read(days)

    validation = int(split.indices_of("validation", panel.days)[0])
    masked = 0
    for d, s in block.is_forecast.nonzero().tolist():
        row = int(panel.row_of[block.day[d], block.stock[s]])
        own = panel.row_of[:, block.stock[s]]
        for p, horizon in enumerate(panel.metadata.horizons):
            at = (own == row + horizon).nonzero()
            lacking = row + horizon - int(own.max())  # rows beyond the stock's last one, a trading day each
            end = int(at[0]) if len(at) else int((own == own.max()).nonzero()[0]) + lacking
            late = end >= validation
            known = not free.targets[d, s, p].isnan()
            assert bool(block.targets[d, s, p].isnan()) == (late or not known)
            masked += late and known
    assert masked > 0


def disappear(rows: pl.DataFrame, code: str, last: date) -> pl.DataFrame:
    """Let a stock's rows end on a day, with a target that only the owner of the data can know: it fell by 95 %."""
    rows = rows.filter((pl.col("code") != code) | (pl.col("date") <= last))
    fell = (pl.col("code") == code) & (pl.col("date") == last)
    return rows.with_columns(
        pl.when(fell).then(-0.95).otherwise(name).alias(name) for name in ("target_1d", "target_5d")
    )


@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_the_last_return_of_a_stock_that_disappears_is_a_label(
    rows: pl.DataFrame, tmp_path: Path, part: SplitName
) -> None:
    split = split_days(rows["date"].unique().sort().to_numpy(), make_params(SplitParams, embargo_days=0), 20)
    last = split.ranges_of(part)[0].last
    code = rows.filter(date=last)["code"][0]
    gone = make_panel(disappear(rows, code, last), tmp_path / "panel", make_params(UniverseParams, min_history=3))
    end = int(split.indices_of(part, gone.days)[-1])
    until = last_label_days(gone, split.ranges_of(part))

    def label(limit: np.ndarray) -> list[float]:
        block = BlockReader(gone, no_graphs(gone), LOOKBACK, 1, limit).read(np.array([end]))
        stock = block.stock.tolist().index(gone.metadata.codes.index(code))
        return block.targets[0, stock, :2].tolist()

    assert label(until) == pytest.approx([-0.95, -0.95])
    assert label(np.full_like(until, end + 4)) == pytest.approx([-0.95, math.nan], nan_ok=True)
    assert label(np.full_like(until, end)) == pytest.approx([math.nan, math.nan], nan_ok=True)


def test_days_that_do_not_follow_each_other_are_refused(panel: Panel) -> None:
    reader = BlockReader(panel, no_graphs(panel), LOOKBACK, 3)

    with pytest.raises(AssertionError, match="are not consecutive"):
        reader.read(np.array([0, 20, 40]))


def test_parts_of_a_split_become_stretches_without_gaps(panel: Panel) -> None:
    split = split_days(panel.days, make_params(SplitParams, embargo_days=0), 20)

    (train,) = split_segments(panel, split, "train")

    assert train.tolist() == list(range(2, 2 + len(train)))  # on the first two days nobody has enough history
    assert panel.eligible[2].any()
