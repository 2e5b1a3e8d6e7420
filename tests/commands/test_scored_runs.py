"""Forecasts of a run and their score, in its folder and as commands."""

import json
from pathlib import Path

import polars as pl
import pytest

from factories.project import SMALL, execute_notebook, kedro

pytestmark = pytest.mark.slow


def test_a_run_is_scored_anew_with_other_costs(ran_project: Path) -> None:
    run = (ran_project / "data" / "06_models" / "runs" / "latest").resolve()
    before, report = json.loads((run / "metrics.json").read_text()), (run / "report.html").read_text()
    try:
        printed = kedro(ran_project, "atft", "evaluate", "--params", f"{SMALL},evaluation.portfolio.cost_bp=1000")
        dear = json.loads((run / "metrics.json").read_text())
        table = kedro(ran_project, "atft", "metrics", "--params", SMALL)
    finally:
        kedro(ran_project, "atft", "evaluate", run.name, "--params", SMALL)
    unknown = kedro(ran_project, "atft", "metrics", "mine", "--params", SMALL, fails=True)

    book, costly = (item["split"]["test"]["h1"]["long_short"] for item in (before, dear))
    assert costly["gross_sharpe"] == book["gross_sharpe"]
    assert costly["net_mean"] == pytest.approx(book["gross_mean"] - 0.1 * book["turnover"])
    assert json.loads((run / "metrics.json").read_text()) == before
    assert (run / "report.html").read_text().count("js-plotly-plot") == report.count("js-plotly-plot")
    assert f"1 = {run.name}" in printed
    assert [printed.count(f" 1 {part} ") for part in ("train", "validation", "test")] == [8, 8, 8]
    assert [table.count(f" 1 {part} ") for part in ("train", "validation", "test")] == [0, 0, 8]
    assert "There is no run 'mine'" in unknown


def test_every_forecast_has_its_realised_return(ran_project: Path) -> None:
    models = ran_project / "data" / "06_models" / "runs" / "latest"
    forecasts = pl.read_parquet(models / "forecasts.parquet").filter(split="test")
    dataset = pl.read_parquet(ran_project / "data" / "05_model_input" / "ml_dataset.parquet")

    for horizon in (1, 20):
        both = forecasts.filter(horizon=horizon).join(dataset, on=["date", "code"])
        assert both["target"].equals(both[f"target_{horizon}d"])
        assert both["target"].null_count() > 0


def test_baselines_the_oracle_and_goals_are_scored_with_a_run(ran_project: Path) -> None:
    models = ran_project / "data" / "06_models" / "runs" / "latest"
    values = json.loads((models / "metrics.json").read_text())
    summary = (models / "summary.md").read_text()
    manifest = json.loads((models / "manifest.json").read_text())

    assert list(values["baselines"]) == ["zero", "reversal", "momentum", "ridge", "lightgbm"]
    assert values["oracle"]["test"]["h1"]["ic"]["mean"] > values["split"]["test"]["h1"]["ic"]["mean"]
    later = values["next_close"]
    assert later["oracle"]["test"]["h5"]["ic"]["mean"] > later["split"]["test"]["h5"]["ic"]["mean"]
    assert values["goals"]["rank_ic_h1"]["wanted"] == 0.18
    lead = values["baselines"]["ridge"]["test"]["h5"]["differences"]["rank_ic"]
    assert f"{lead['mean']:+.4f} ± {lead['se']:.4f}" in summary
    assert manifest["commit"] in summary
    assert manifest["panel"] in summary


def test_the_review_notebook_runs(ran_project: Path) -> None:
    shown = execute_notebook(ran_project / "notebooks" / "02_experiment_review.ipynb")
    run = (ran_project / "data" / "06_models" / "runs" / "latest").resolve().name

    assert sum("plotly" in "".join(output.get("data", {})) for output in shown) == 3
    assert any(run in str(output.get("data", {}).get("text/html", "")) for output in shown)
