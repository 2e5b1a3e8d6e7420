"""Test ``kedro atft model``."""

from pathlib import Path

import pytest

from factories.project import SMALL, kedro

pytestmark = pytest.mark.slow


def test_the_weights_and_operations_of_all_modules_are_shown(ran_project: Path) -> None:
    output = kedro(ran_project, "atft", "model", "--params", SMALL)

    assert "selection" in output
    assert "MFLOP per forecast" in output
