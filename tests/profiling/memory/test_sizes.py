"""How large a panel is: measured as it lies on the disk, or made up."""

from pathlib import Path

import numpy as np
import pytest

from atft_kedro.graph.neighbours import GraphParams
from atft_kedro.panel.blocks import BlockReader, no_graphs
from atft_kedro.panel.split import SplitParams, split_days
from atft_kedro.panel.store import open_panel
from atft_kedro.profiling.memory.sizes import Sizes, name_panel
from factories.memory import write_noise
from factories.params import make_params


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("sizes") / "panel"
    write_noise(made, features=7, stocks=12, days=300)
    return made


def test_a_panel_is_as_large_as_its_files(folder: Path) -> None:
    panel = open_panel(folder)
    split = split_days(panel.days, make_params(SplitParams, embargo_days=0), 20)

    sizes = Sizes.measure(panel, split, make_params(GraphParams, refresh_days=8), days_per_block=4)

    held = sum(np.load(file, mmap_mode="r").nbytes for file in folder.rglob("*.npy"))
    absent = sizes.bytes_of(1) - sizes.bytes_of(0)  # the row that stands for what is absent
    assert sizes.mapped + absent == held
    assert sizes.active == BlockReader(panel, no_graphs(panel), 20, 4).stocks == 16
    assert (sizes.rows, sizes.graphs) == (3600, 38)
    assert sizes.validation_days == len(split.indices_of("validation", panel.days))
    assert sizes.seen == 12 * (1 + split.indices_of("validation", panel.days)[-1])


def test_a_panel_that_is_made_up_is_as_large_as_one_without_gaps(folder: Path) -> None:
    panel = open_panel(folder)
    split = split_days(panel.days, make_params(SplitParams, embargo_days=0), 20)
    measured = Sizes.measure(panel, split, make_params(GraphParams), days_per_block=4)

    made_up = Sizes.make_up(name_panel(7, 12, 300, (1, 5, 10, 20)), make_params(SplitParams), make_params(GraphParams))

    assert (made_up.rows, made_up.mapped, made_up.graphs) == (measured.rows, measured.mapped, measured.graphs)
    assert made_up.active == measured.active
    assert made_up.seen == pytest.approx(measured.seen, rel=0.3)
