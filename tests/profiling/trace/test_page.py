"""Test the files of a profile."""

import json
from pathlib import Path

import pytest

from atft_kedro.profiling.trace.page import write_profile
from atft_kedro.profiling.trace.steps import ProfiledTraining
from factories.browser import open_page


@pytest.fixture(scope="module")
def folder(profiled_training: ProfiledTraining, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("profiles") / "one"
    write_profile(profiled_training, 2, path)
    return path


def test_a_profile_has_a_trace_and_two_tables(folder: Path) -> None:
    tables = (folder / "tables.md").read_text()

    assert json.loads((folder / "trace.json").read_text())["traceEvents"]
    assert "## The 10 most expensive operations" in tables
    assert tables.count("| aten::") >= 8
    assert "Phase all: blocks of 8 days x 40 stocks, 8 features, hidden 16, fp32, cpu, threads: " in tables
    assert "times as long under the profiler" in tables


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_works_without_a_network(folder: Path, width: int) -> None:
    with open_page((folder / "flame.html").as_uri(), width) as looked:
        looked.page.wait_for_selector(".js-plotly-plot .main-svg")
        labels = looked.page.locator(".slicetext").all_text_contents()

        assert looked.errors == []
        assert all(url.startswith(("file:", "data:", "blob:")) for url in looked.asked)
        assert not looked.is_wider_than_its_window()
    assert {label.partition(" ")[0] for label in labels} >= {"step", "run", "backward", "Atft"}
