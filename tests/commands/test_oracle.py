"""Test ``kedro atft oracle``."""

import re
from pathlib import Path

import pytest

from factories.project import SMALL, kedro


@pytest.mark.slow
def test_the_oracle_is_better_than_a_trained_network(ran_project: Path) -> None:
    output = kedro(ran_project, "atft", "oracle", "--params", SMALL)

    shares = [float(share) for share in re.findall(r"(-?[\d.]+) %", output)]
    assert len(shares) == 4
    assert all(share < 100 for share in shares)
