"""Test ``kedro atft bench``."""

from pathlib import Path

import pytest

from factories.project import kedro

pytestmark = pytest.mark.slow


def test_reading_the_panel_is_measured_and_a_missing_panel_is_named(ran_project: Path) -> None:
    output = kedro(ran_project, "atft", "bench", "data", "--blocks", "2")
    missing = kedro(ran_project, "atft", "bench", "data", "--params", "data_root=nowhere", fails=True)

    assert "plain copy of as many bytes" in output
    assert "open the panel" in output
    assert "There is no panel at" in missing


def test_scoring_is_measured(ran_project: Path) -> None:
    output = kedro(ran_project, "atft", "bench", "score", "--stocks", "20", "--days", "50")

    assert "20 stocks x 50 days" in output
    assert "forecasts/s" in output
