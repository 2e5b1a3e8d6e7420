"""Run the notebooks: on a market, and on a run."""

import re
from pathlib import Path

import pytest

from factories.project import execute_notebook, kedro

pytestmark = pytest.mark.slow


def test_the_notebook_of_market_and_features_runs(project: Path) -> None:
    (project / "conf" / "local" / "parameters.yml").write_text("market: {stocks: 80, days: 800}")
    kedro(project, "run", "--pipelines", "data,guard")
    outputs = execute_notebook(project / "notebooks" / "01_market_and_features.ipynb")

    assert any("measured" in output.get("data", {}).get("text/plain", "") for output in outputs)


def test_the_review_notebook_runs(ran_project: Path) -> None:
    outputs = execute_notebook(ran_project / "notebooks" / "02_experiment_review.ipynb")
    run = (ran_project / "data" / "06_models" / "runs" / "latest").resolve().name

    assert sum("plotly" in "".join(output.get("data", {})) for output in outputs) == 3
    assert any(run in str(output.get("data", {}).get("text/html", "")) for output in outputs)


@pytest.mark.long
def test_the_notebook_of_pyg_graphs_trains(ran_project: Path) -> None:
    outputs = execute_notebook(ran_project / "notebooks" / "03_pyg_graphs.ipynb")

    losses = [float(loss) for loss in re.findall(r"loss (\S+)", "".join(output.get("text", "") for output in outputs))]
    assert losses[1] < losses[0]
    assert any("rank IC" in output.get("data", {}).get("text/plain", "") for output in outputs)
