"""Test ``kedro atft stages``."""

from pathlib import Path

import pytest

from factories.project import SMALL, kedro

pytestmark = pytest.mark.slow


def test_the_stages_are_listed_with_the_reasons_to_run(ran_project: Path) -> None:
    output = kedro(ran_project, "atft", "stages", "--params", f"{SMALL},guard.leak.max_ic=0.5,features.set=alpha158")

    assert "data.clean_prices │ fresh" in output
    assert "data.build_ml_dataset │ stale │ params:features changed" in output


def test_an_unknown_pipeline_is_refused_with_the_known_ones(ran_project: Path) -> None:
    output = kedro(ran_project, "atft", "stages", "--pipeline", "gard", fails=True)

    assert "Unknown pipeline 'gard'; the pipelines are __default__, data, " in output
