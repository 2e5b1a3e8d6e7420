"""Test reading the scores of run folders, and adding new returns."""

import json
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from atft_kedro.evaluation.run_scores import read_scores, update_returns
from atft_kedro.params import InputError
from atft_kedro.training.run_status import read_entry_lag
from factories.benchmark_runs import make_returns, make_run


def test_a_run_that_cannot_be_read_is_named_and_the_others_are_shown(tmp_path: Path) -> None:
    returns = make_returns(20, [date(2024, 3, 1) + timedelta(days=day) for day in range(30)])
    folders = [tmp_path / name for name in ("cut", "older", "whole")]
    for folder in folders:
        make_run(folder, returns, 0.3)
    text = (folders[0] / "metrics.json").read_text()
    (folders[0] / "metrics.json").write_text(text[: len(text) // 2])
    (folders[1] / "metrics.json").write_text(json.dumps(json.loads(text) | {"verdict": "good"}))

    scores, unreadable = read_scores([*folders, tmp_path / "never scored"], are_required=False)
    with pytest.raises(InputError, match="another version of this project: verdict: Extra inputs"):
        read_scores(folders[1:], are_required=True)

    assert [score.run for score in scores] == ["whole"]
    assert ["truncated" in unreadable[0], "verdict: Extra inputs" in unreadable[1]] == [True, True]
    assert [reason.split(":")[0] for reason in unreadable] == ["Run cut is omitted", "Run older is omitted"]


def test_a_run_is_scored_at_its_trained_entry_and_not_at_the_configured_one(tmp_path: Path) -> None:
    run = make_run(
        tmp_path / "run", make_returns(20, [date(2024, 3, 1) + timedelta(days=day) for day in range(30)]), 0.3
    )
    before = read_entry_lag(run.folder, 0)
    (run.folder / "manifest.json").write_text(json.dumps({**run.manifest, "entry_lag": 1}))

    assert (before, read_entry_lag(run.folder, 0)) == (0, 1)


def test_a_dataset_without_a_horizon_is_refused_and_forecasts_are_kept() -> None:
    returns = make_returns(5, [date(2024, 3, 1) + timedelta(days=day) for day in range(10)])
    dataset = returns.select("date", "code", "target_1d", target_5d=pl.col("noise"))
    forecasts = pl.concat(
        dataset.select("date", "code", horizon=pl.lit(horizon), forecast=0.1, target=f"target_{horizon}d")
        for horizon in (5, 1)
    )

    again = update_returns("a", forecasts, dataset.lazy())
    with pytest.raises(InputError, match="Run a forecasts returns over 5 days, but the ML dataset has only 1"):
        update_returns("a", forecasts, dataset.drop("target_5d").lazy())

    assert_frame_equal(again, forecasts)
