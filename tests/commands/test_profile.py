"""Test ``kedro atft profile``."""

from pathlib import Path

import pytest

from atft_kedro.features.daily import CORE
from factories.project import SMALL, kedro

pytestmark = pytest.mark.slow


def test_a_profile_is_written_and_printed(ran_project: Path) -> None:
    output = kedro(ran_project, "atft", "profile", "--steps", "1", "--phase", "gat", "--params", SMALL)

    (folder,) = (ran_project / "data" / "08_reporting" / "profiles").iterdir()
    assert sorted(file.name for file in folder.iterdir()) == ["flame.html", "tables.md", "trace.json"]
    assert str(folder / "flame.html") in output
    assert "The 10 most expensive operations" in output
    assert f"Phase gat: blocks of 8 days x 24 stocks, {len(CORE)} features" in output
    assert "Profiler" not in output  # the library's own messages are hidden


def test_wrong_options_of_a_profile_are_refused(ran_project: Path, tmp_path: Path) -> None:
    typo = kedro(ran_project, "atft", "profile", "--phase", "gta", fails=True)
    existing = kedro(ran_project, "atft", "profile", "--out", str(tmp_path), fails=True)
    no_panel = kedro(ran_project, "atft", "profile", "--params", f"data_root={tmp_path / 'empty'}", fails=True)

    assert "Unknown phase 'gta'; the phases are baseline, adaptive_norm, gat, finetune, augment." in typo
    assert "already exists: name another folder with --out" in existing
    assert "There is no panel at" in no_panel
    assert "Traceback" not in typo + existing + no_panel
