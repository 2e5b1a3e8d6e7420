"""Forecasts of a run and their score, in its folder and as commands."""

import json
from pathlib import Path

import polars as pl
import pytest

from in_project import SMALL, kedro

pytestmark = pytest.mark.slow


def test_the_forecasts_of_a_run_are_scored(ran_project: Path) -> None:
    run = (ran_project / "data" / "06_models" / "runs" / "latest").resolve()
    forecasts = pl.read_parquet(run / "forecasts.parquet")
    told = json.loads((run / "metrics.json").read_text())
    summary = (run / "summary.md").read_text()

    validation, test = (forecasts.filter(split=part) for part in ("validation", "test"))
    assert validation["date"].max() < test["date"].min()  # type: ignore[operator]
    assert forecasts.select("date", "code", "horizon").is_unique().all()
    assert (forecasts["q10"] < forecasts["forecast"]).all()
    assert (forecasts["forecast"] == forecasts["q50"]).all()
    assert list(told["split"]) == ["validation", "test"]
    assert list(told["split"]["test"]) == ["h1", "h5", "h10", "h20"]
    assert told["days"]["test"] == [str(test["date"].min()), str(test["date"].max())]
    first = told["split"]["test"]["h1"]
    assert first["forecasts"] == len(test.filter(horizon=1)) - first["excluded"]["unrealised"]
    assert f"| 1d | {first['ic']['mean']:.4f} |" in summary
    assert told["run"] == run.name
    assert run.name in summary
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    scores = [line[which] for line in lines for which in ("validation", "swa") if which in line]
    trained = max(scores, key=lambda each: each["rank_ic"])
    scored = told["split"]["validation"]["h1"]["rank_ic"]["mean"]
    assert scored == pytest.approx(trained["rank_ic_1d"], abs=0.01)


def test_a_run_is_scored_anew_with_other_costs(ran_project: Path) -> None:
    run = (ran_project / "data" / "06_models" / "runs" / "latest").resolve()
    before = json.loads((run / "metrics.json").read_text())
    try:
        said = kedro(ran_project, "atft", "evaluate", "--params", f"{SMALL},evaluation.portfolio.cost_bp=1000")
        dear = json.loads((run / "metrics.json").read_text())
        table = kedro(ran_project, "atft", "metrics", "--params", SMALL)
    finally:
        kedro(ran_project, "atft", "evaluate", run.name, "--params", SMALL)
    unknown = kedro(ran_project, "atft", "metrics", "mine", "--params", SMALL, fails=True)

    book, costly = (each["split"]["test"]["h1"]["long_short"] for each in (before, dear))
    assert costly["gross_sharpe"] == book["gross_sharpe"]
    assert costly["net_mean"] == pytest.approx(book["gross_mean"] - 0.1 * book["turnover"])
    assert json.loads((run / "metrics.json").read_text()) == before
    assert said.count(run.name) == 8
    assert table.count(run.name) == 4
    assert "There is no run 'mine'" in unknown
