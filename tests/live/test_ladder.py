"""The rules of the ladder, on runs whose forecasts contain a known part of the returns."""

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from atft_kedro.checks import CheckResult
from atft_kedro.evaluation.compare_baselines import score_run
from atft_kedro.evaluation.entries import collect_returns
from atft_kedro.evaluation.goals import GoalParams
from atft_kedro.evaluation.score import ScoringParams
from atft_kedro.live.ladder import LadderParams, check_rules, find_reference
from atft_kedro.training.run_status import count_epochs
from atft_kedro.training.runs import MANIFEST, Runs
from factories.benchmark_runs import make_forecasts, make_returns
from factories.forecasts import EVALUATION
from factories.params import make_params
from factories.training_logs import RISING, make_log, write_run

LADDER = make_params(LadderParams)
DAYS = [date(2024, 1, 1) + timedelta(days=day) for day in range(120)]
RETURNS = make_returns(40, DAYS)


def make_run(runs: Path, name: str, share: float, panel: str = "made", shift: int = 0, **training: Any) -> Path:
    """Write a scored run; on its test days the forecasts contain the negative of the share."""
    folder = write_run(runs / name, make_log(*RISING), **({"epochs": 10} | training))
    manifest = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps(manifest | {"panel": panel}))
    good, bad = (make_forecasts(RETURNS, sign * share, shift) for sign in (1, -1))
    forecasts = pl.concat([good.filter(split="validation"), bad.filter(split="test")])
    forecasts.write_parquet(folder / "forecasts.parquet")
    realised = collect_returns(RETURNS.lazy(), RETURNS["date"], 0)
    realised.write_parquet(folder / "returns.parquet")
    zero = forecasts.select(pl.lit("zero").alias("forecaster"), pl.exclude("forecast"), forecast=pl.lit(0.0))
    score, _ = score_run(name, forecasts, zero, realised, EVALUATION, 0)
    (folder / "metrics.json").write_text(score.model_dump_json())
    return folder


def check(folder: Path, reference: Path | None, params: LadderParams = LADDER, **goals: Any) -> dict[str, CheckResult]:
    scoring, wanted = make_params(ScoringParams), make_params(GoalParams, **goals)
    return {result.name: result for result in check_rules(folder, reference, params, scoring, wanted)}


def failed(results: dict[str, CheckResult]) -> list[str]:
    return [name for name, result in results.items() if result.severity == "error"]


def test_a_run_must_lead_the_best_run_of_its_rung_on_validation_days(tmp_path: Path) -> None:
    poor = make_run(tmp_path, "20260101-a", share=0.1)
    good = make_run(tmp_path, "20260102-b", share=0.6, shift=3)
    make_run(tmp_path, "20260103-c", share=0.9, epochs=25)  # another rung
    make_run(tmp_path, "20260104-d", share=0.9, panel="other")
    make_run(tmp_path, "20260105-e", share=0.9, refit_of=good.name)  # its scores are copies
    runs = Runs(tmp_path, commit="abc", is_dirty=False)

    assert find_reference(runs, poor, LADDER) == good
    assert find_reference(runs, good, LADDER) == poor
    assert failed(check(good, poor)) == []  # although its forecasts of the test days are the worse ones
    results = check(poor, good)
    assert failed(results) == ["lead"]
    assert f"against run {good.name}; one of them above 0" in results["lead"].message
    assert results["lead"].advice == (f"kedro atft compare {good.name} {poor.name} --split validation",)
    assert failed(check(good, None)) == []
    assert "against zero" in check(poor, None)["lead"].message


def test_spread_diagnosis_and_goals_are_read_on_validation_days(tmp_path: Path) -> None:
    folder = make_run(tmp_path, "20260101-a", share=0.6)
    strict = LADDER.model_copy(update={"min_scale": 99.0, "goals": ("rank_ic_h1", "ic_h1", "rank_ic_h5")})

    results = check(folder, None, strict, rank_ic={1: 0.3}, ic={1: 0.99})

    assert failed(results) == ["spread", "goal ic_h1", "goal rank_ic_h5"]
    assert "at least 99" in results["spread"].message
    assert "is met, wanted 0.3" in results["goal rank_ic_h1"].message
    assert results["goal rank_ic_h5"].message == "there is no such goal"
    flat = {"rank_ic": 0.0, "rank_ic_1d": 0.0, "se_rank_ic_1d": 0.01, "scale": 0.0}
    write_run(folder, make_log(*RISING, validation=flat), epochs=10)
    assert failed(check(folder, None)) == ["diagnosis"]


def test_the_rung_counts_the_epochs_of_the_runs_before(tmp_path: Path) -> None:
    first = make_run(tmp_path, "20260101-a", share=0.6)
    longer = make_run(tmp_path, "20260102-b", share=0.6, epochs=15, init_from=first.name)
    smoke = make_run(tmp_path, "20260103-c", share=0.6, epochs=None, steps_per_phase=3)

    assert [count_epochs(folder) for folder in (first, longer, smoke)] == [10, 25, 0]
    assert [LADDER.rungs[LADDER.find_rung(epochs)].name for epochs in (0, 1, 9, 10, 24, 25, 500)] == [
        *("smoke", "1 epoch", "1 epoch", "10 epochs", "10 epochs", "25 epochs", "production")
    ]
    assert list(check(smoke, None)) == ["spread"]
    for file in first.iterdir():
        file.unlink()
    assert count_epochs(longer) == 15  # the run before was removed


def test_an_unknown_rule_is_refused() -> None:
    with pytest.raises(ValueError, match="rules"):
        make_params(LadderParams, rungs=[{"name": "a", "epochs": 1, "rules": ["luck"]}])
