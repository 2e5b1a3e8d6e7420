"""Test ``kedro atft metrics``."""

from pathlib import Path

import pytest

from factories.project import SMALL, kedro

pytestmark = pytest.mark.slow


def test_the_scores_of_one_split_are_shown(ran_project: Path) -> None:
    table = kedro(ran_project, "atft", "metrics", "--params", SMALL)
    unknown = kedro(ran_project, "atft", "metrics", "missing", "--params", SMALL, fails=True)

    assert [table.count(f" 1 {split} ") for split in ("train", "validation", "test")] == [0, 0, 8]
    assert "There is no run 'missing'" in unknown
