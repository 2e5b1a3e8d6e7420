"""Test the forecasts, scores and summary of a run."""

import json
from pathlib import Path

import polars as pl
import pytest

from atft_kedro.evaluation.baselines import BASELINES

pytestmark = pytest.mark.slow


def test_the_forecasts_of_a_run_are_scored(ran_project: Path) -> None:
    run = (ran_project / "data" / "06_models" / "runs" / "latest").resolve()
    forecasts = pl.read_parquet(run / "forecasts.parquet")
    values = json.loads((run / "metrics.json").read_text())
    summary = (run / "summary.md").read_text()

    train, validation, test = (forecasts.filter(split=part) for part in ("train", "validation", "test"))
    assert train["date"].max() < validation["date"].min()  # type: ignore[operator]
    assert validation["date"].max() < test["date"].min()  # type: ignore[operator]
    assert train["date"].n_unique() == validation["date"].n_unique()
    assert forecasts.select("date", "code", "horizon").is_unique().all()
    assert (forecasts["q10"] < forecasts["forecast"]).all()
    assert (forecasts["forecast"] == forecasts["q50"]).all()
    assert list(values["split"]) == ["train", "validation", "test"]
    assert list(values["split"]["test"]) == ["h1", "h5", "h10", "h20"]
    assert values["days"]["test"] == [str(test["date"].min()), str(test["date"].max())]
    first = values["split"]["test"]["h1"]
    assert first["forecasts"] == len(test.filter(horizon=1)) - first["excluded"]["unrealised"]
    assert f"| 1d | same close* | {first['ic']['mean']:.4f} |" in summary
    later = values["next_close"]["split"]["test"]["h1"]
    assert f"| 1d | next close | {later['ic']['mean']:.4f} |" in summary
    assert "## Same close and next close on the test days" in summary
    assert values["run"] == run.name
    assert run.name in summary
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    scores = [line[which] for line in lines for which in ("validation", "swa") if which in line]
    trained = max(scores, key=lambda item: item["rank_ic"])
    scored = values["split"]["validation"]["h1"]["rank_ic"]["mean"]
    assert scored == pytest.approx(trained["rank_ic_1d"], abs=0.01)


def test_every_forecast_has_its_realised_return(ran_project: Path) -> None:
    models = ran_project / "data" / "06_models" / "runs" / "latest"
    forecasts = pl.read_parquet(models / "forecasts.parquet").filter(split="test")
    dataset = pl.read_parquet(ran_project / "data" / "05_model_input" / "ml_dataset.parquet")

    for horizon in (1, 20):
        joined = forecasts.filter(horizon=horizon).join(dataset, on=["date", "code"])
        assert joined["target"].equals(joined[f"target_{horizon}d"])
        assert joined["target"].null_count() > 0


def test_baselines_the_oracle_and_goals_are_scored_with_a_run(ran_project: Path) -> None:
    models = ran_project / "data" / "06_models" / "runs" / "latest"
    values = json.loads((models / "metrics.json").read_text())
    summary = (models / "summary.md").read_text()
    manifest = json.loads((models / "manifest.json").read_text())

    assert list(values["baselines"]) == list(BASELINES)
    assert values["oracle"]["test"]["h1"]["ic"]["mean"] > values["split"]["test"]["h1"]["ic"]["mean"]
    later = values["next_close"]
    assert later["oracle"]["test"]["h5"]["ic"]["mean"] > later["split"]["test"]["h5"]["ic"]["mean"]
    assert values["goals"]["rank_ic_h1"]["wanted"] == 0.18
    difference = values["baselines"]["ridge"]["test"]["h5"]["differences"]["rank_ic"]
    assert f"{difference['mean']:+.4f} ± {difference['se']:.4f}" in summary
    assert manifest["commit"] in summary
    assert manifest["panel"] in summary
