"""The whole network: the invariants of a forecast."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from torch import Tensor

from atft_kedro.graph.neighbours import GraphParams
from atft_kedro.graph.panel_indices import index_graphs
from atft_kedro.network.atft import Atft
from atft_kedro.network.params import ModuleName, NetworkParams
from atft_kedro.panel.blocks import Block, BlockReader
from atft_kedro.panel.store import Panel
from factories.blocks import random_block
from factories.datasets import make_graphs, make_panel
from factories.params import make_params

SMALL = make_params(NetworkParams,
    hidden_size=16, lookback=12, heads=2, layers=2, fan_window=4, fan_channels=8, graph_heads=2,
    market_tokens=3, selection_size=8, dropout=0, graph_dropout=0, head_dropout=0,
)  # fmt: skip
NONE: frozenset[ModuleName] = frozenset()
ALL: frozenset[ModuleName] = frozenset({"fan", "gat", "tokens"})


def open_network(features: int = 6, seed: int = 0, params: NetworkParams = SMALL) -> Atft:
    """Create a network in which no gate is zero."""
    torch.manual_seed(seed)
    network = Atft(params, features, (1, 5), 3).eval()
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if "gate" in name or weight.abs().max() < 1e-2:
                weight.normal_(std=0.3)
    return network


def test_switching_a_module_on_changes_no_forecast_before_the_first_step() -> None:
    block = random_block()
    torch.manual_seed(0)
    network = Atft(SMALL, 6, (1, 5), 3).eval()

    plain = network(block, NONE)

    for modules in ({"fan"}, {"gat"}, {"tokens"}, {"fan", "gat", "tokens"}):
        assert torch.allclose(network(block, frozenset(modules)), plain, atol=1e-6)
        assert not torch.allclose(open_network()(block, frozenset(modules)), open_network()(block, NONE), atol=1e-3)


def test_a_forecast_depends_on_exactly_the_lookback() -> None:
    block = random_block(days=4)
    block = replace(block, features=block.features.float().requires_grad_())
    network = open_network()

    forecast = network(block, frozenset({"fan"}))
    reach = torch.autograd.grad(forecast[2, 3].sum(), block.features)[0].abs().amax(-1)  # (stock, step)

    seen = reach[3].nonzero().flatten().tolist()
    assert seen == list(range(2, 14))  # day 2 lies at step 13
    assert reach.sum(1).nonzero().flatten().tolist() == [3]


def test_every_feature_can_move_a_forecast_and_every_parameter_learns() -> None:
    torch.manual_seed(1)
    network = Atft(SMALL, 6, (1, 5), 3)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    block = random_block()
    block.features[0, 3, 0] = torch.nan
    block.features[1, 5, 1:] = torch.nan
    block.features.requires_grad_()
    moved = {name: False for name, _ in network.named_parameters()}

    for _ in range(3):
        optimizer.zero_grad()
        loss = (network(block, ALL) - torch.randn(5, 7, 2, 5)).square().mean()
        loss.backward()
        for name, weight in network.named_parameters():
            moved[name] |= weight.grad is not None and bool(weight.grad.abs().max() > 0)
        optimizer.step()

    assert [name for name, has in moved.items() if not has] == []
    assert (block.features.grad.nan_to_num().abs().amax((0, 1)) > 0).all()  # type: ignore[union-attr]


def test_one_day_can_be_overfitted() -> None:
    torch.manual_seed(2)
    network = Atft(SMALL, 6, (1, 5), 3)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2)
    block = random_block(days=1, stocks=20)

    for _ in range(200):
        optimizer.zero_grad()
        point = network.point_forecast(network(block, ALL))
        (point - block.targets).square().mean().backward()
        optimizer.step()

    ic = np.corrcoef(network.point_forecast(network(block, ALL))[0, :, 0].detach(), block.targets[0, :, 0])[0, 1]
    assert ic > 0.99


def test_a_small_change_of_the_input_is_a_small_change_of_the_forecast() -> None:
    block = random_block()
    exact = replace(block, features=block.features.float())
    nudged = replace(exact, features=exact.features * (1 + 1e-6))
    network = open_network()

    for modules in (NONE, frozenset({"fan"}), ALL):
        assert (network(nudged, modules) - network(exact, modules)).abs().max() < 1e-3


def test_removing_the_targets_changes_no_forecast() -> None:
    block = random_block()

    assert torch.equal(
        open_network()(replace(block, targets=block.targets * torch.nan), ALL), open_network()(block, ALL)
    )


def test_missing_days_and_padding_change_nothing_for_the_others() -> None:
    block = random_block()
    network = open_network()
    garbage = replace(
        block, features=block.features.clone(), rows=block.rows.clone(), step_of_day=block.step_of_day.clone()
    )
    garbage.rows[2] = -1
    garbage.features[2] = torch.nan
    garbage.step_of_day[:, 2] = -1
    alone = torch.where(block.neighbours == 2, -1, block.neighbours)

    before = network(replace(block, neighbours=alone), frozenset({"fan", "gat"}))
    after = network(replace(garbage, neighbours=alone), frozenset({"fan", "gat"}))

    others = [0, 1, 3, 4, 5, 6]
    assert torch.allclose(before[:, others], after[:, others], atol=1e-6)
    assert after.isfinite().all()


def test_a_stock_listed_yesterday_gets_a_forecast_from_its_two_days_only() -> None:
    block = random_block()
    network = open_network()
    rows = block.rows.clone()
    rows[4, :-2] = -1
    young = replace(block, rows=rows)
    other = replace(young, features=young.features.clone())
    other.features[4, :-2] = 9.0

    assert torch.allclose(network(young, ALL), network(other, ALL), atol=1e-6)


@pytest.fixture(scope="module")
def panel(ml_dataset: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Panel:
    return make_panel(ml_dataset, tmp_path_factory.mktemp("atft") / "panel")


def forecasts(
    network: Atft, panel: Panel, graphs: pl.DataFrame, starts: range, modules: frozenset[ModuleName]
) -> Tensor:
    """Forecasts of days 240 … 255 (day, stock), from blocks that begin at each start."""
    reader = BlockReader(panel, index_graphs(graphs.lazy(), panel), SMALL.lookback, 8)
    whole = torch.full((len(panel.days), len(panel.metadata.codes)), torch.nan)
    for start in starts:
        block: Block = reader.read(np.arange(start, start + 8))
        output = network.point_forecast(network(block, modules))[..., 0]
        for d, s in block.is_forecast.nonzero().tolist():
            whole[block.day[d], block.stock[s]] = output[d, s]
    return whole[244:256]


@torch.no_grad()
def test_a_forecast_does_not_depend_on_its_block(ml_dataset: pl.DataFrame, panel: Panel) -> None:
    graphs = make_graphs(ml_dataset, make_params(GraphParams, neighbours=4))
    network = open_network(features=len(panel.metadata.features))

    for modules in (frozenset({"fan"}), ALL):
        one = forecasts(network, panel, graphs, range(240, 260, 8), modules)  # type: ignore[arg-type]
        other = forecasts(network, panel, graphs, range(237, 260, 8), modules)  # type: ignore[arg-type]
        assert one.isfinite().any()
        assert torch.allclose(one.nan_to_num(), other.nan_to_num(), atol=1e-5)


@torch.no_grad()
def test_renaming_stocks_permutes_the_forecasts(ml_dataset: pl.DataFrame, panel: Panel, tmp_path: Path) -> None:
    codes = ml_dataset["code"].unique().sort()
    names = dict(zip(codes, codes.sample(fraction=1, shuffle=True, seed=3), strict=True))
    renamed = ml_dataset.with_columns(pl.col("code").replace(names))
    other = make_panel(renamed, tmp_path / "panel")
    params = make_params(GraphParams, neighbours=4)
    network = open_network(features=len(panel.metadata.features))

    original = forecasts(network, panel, make_graphs(ml_dataset, params), range(240, 256, 8), ALL)
    permuted = forecasts(network, other, make_graphs(renamed, params), range(240, 256, 8), ALL)

    order = [other.metadata.codes.index(names[code]) for code in panel.metadata.codes]
    assert torch.allclose(original.nan_to_num(), permuted[:, order].nan_to_num(), atol=1e-5)
