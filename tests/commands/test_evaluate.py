"""Test ``kedro atft evaluate``."""

import json
from pathlib import Path

import pytest

from factories.project import SMALL, kedro


@pytest.mark.slow
def test_evaluate_scores_a_run_again_with_other_costs(ran_project: Path) -> None:
    run = (ran_project / "data" / "06_models" / "runs" / "latest").resolve()
    before, report = json.loads((run / "metrics.json").read_text()), (run / "report.html").read_text()
    try:
        printed = kedro(ran_project, "atft", "evaluate", "--params", f"{SMALL},evaluation.portfolio.cost_bp=1000")
        with_costs = json.loads((run / "metrics.json").read_text())
    finally:
        kedro(ran_project, "atft", "evaluate", run.name, "--params", SMALL)

    cheap, costly = (scores["split"]["test"]["h1"]["long_short"] for scores in (before, with_costs))
    assert costly["gross_sharpe"] == cheap["gross_sharpe"]
    assert costly["net_mean"] == pytest.approx(cheap["gross_mean"] - 0.1 * cheap["turnover"])
    assert json.loads((run / "metrics.json").read_text()) == before
    assert (run / "report.html").read_text().count("js-plotly-plot") == report.count("js-plotly-plot")
    assert f"1 = {run.name}" in printed
    assert [printed.count(f" 1 {split} ") for split in ("train", "validation", "test")] == [8, 8, 8]
