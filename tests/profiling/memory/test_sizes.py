"""Test the measured and estimated sizes of a panel."""

from pathlib import Path

import numpy as np
import pytest

from atft_kedro.graph.neighbours import GraphParams
from atft_kedro.panel.blocks import BlockReader, no_graphs
from atft_kedro.panel.split import SplitParams, split_days
from atft_kedro.panel.store import open_panel
from atft_kedro.profiling.memory.sizes import PanelSizes
from factories.memory import estimate_sizes, write_noise
from factories.params import make_params


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sizes") / "panel"
    write_noise(path, features=7, stocks=12, days=300)
    return path


def test_the_size_of_a_panel_equals_that_of_its_files(folder: Path) -> None:
    panel = open_panel(folder)
    split = split_days(panel.days, make_params(SplitParams, embargo_days=0), 20)

    sizes = PanelSizes.measure(panel, split, make_params(GraphParams, refresh_days=8), days_per_block=4)

    stored = sum(np.load(file, mmap_mode="r").nbytes for file in folder.rglob("*.npy"))
    absent = sizes.count_bytes(1) - sizes.count_bytes(0)  # one more row stands for absent observations
    assert sizes.count_bytes(sizes.rows) + absent == stored
    assert sizes.block_stocks == BlockReader(panel, no_graphs(panel), 20, 4).stocks == 16
    assert (sizes.rows, sizes.graphs) == (3600, 38)
    assert sizes.validation_days == len(split.indices_of("validation", panel.days))
    assert sizes.read_rows == 12 * (1 + split.indices_of("validation", panel.days)[-1])


def test_an_assumed_panel_is_as_large_as_one_without_gaps(folder: Path) -> None:
    panel = open_panel(folder)
    split = split_days(panel.days, make_params(SplitParams, embargo_days=0), 20)
    measured = PanelSizes.measure(panel, split, make_params(GraphParams), days_per_block=4)

    estimated = estimate_sizes(7, 12, 300, (1, 5, 10, 20))

    assert (estimated.rows, estimated.graphs) == (measured.rows, measured.graphs)
    assert estimated.count_bytes(100) == measured.count_bytes(100)
    assert estimated.block_stocks == measured.block_stocks
    assert estimated.read_rows == pytest.approx(measured.read_rows, rel=0.3)
