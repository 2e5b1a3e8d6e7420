"""Test the positions of a run: their files, their score and their section of the report."""

import json
import logging
from pathlib import Path

import polars as pl
import pytest

from atft_kedro.evaluation.position_score import PositionResult, score_positions
from atft_kedro.positions.plan import PositionParams
from atft_kedro.positions.simulate import WEIGHTS_SCHEMA, simulate_if_possible
from factories.params import make_params


@pytest.mark.slow
def test_a_run_has_positions_and_their_score(ran_project: Path) -> None:
    run = (ran_project / "data" / "06_models" / "runs" / "latest").resolve()
    score = PositionResult.model_validate_json((run / "position_score.json").read_text()).score
    metrics = json.loads((run / "metrics.json").read_text())
    days, weights = pl.read_parquet(run / "position_days.parquet"), pl.read_parquet(run / "positions.parquet")
    summary = (run / "summary.md").read_text()

    assert score is not None
    assert metrics["positions"] == json.loads(score.model_dump_json())
    assert [score.first, score.last] == metrics["days"]["test"]
    assert days["portfolio"].unique(maintain_order=True).to_list() == [
        "optimised",
        *(f"book {h}" for h in (1, 5, 10, 20)),
        *(f"capital = {amount}" for amount in (1000000, 100000000, 1000000000)),
    ]
    again = score_positions(days, score.entry, score.capital, score.own_values, score.delisting_note)
    assert again == score
    assert weights.schema == WEIGHTS_SCHEMA
    assert f"| decile book, 5 d | {score.books[5].net_sharpe:.2f} (" in summary
    assert "Equity of the positions after costs" in (run / "report.html").read_text()


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        (["date", "code"], "The ML dataset has no column 'close'"),
        (["date", "code", "high", "low", "close", "volume"], "Positions need forecasts of test days"),
    ],
)
def test_a_run_without_possible_positions_goes_on(
    columns: list[str], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    dataset = pl.LazyFrame(schema=dict.fromkeys(columns, pl.String))
    forecasts = pl.LazyFrame(schema={"split": pl.String})
    with caplog.at_level(logging.WARNING):
        tables = simulate_if_possible(forecasts, dataset, pl.DataFrame(), make_params(PositionParams, enabled=True))

    days, weights, calibrations, result = tables
    assert (len(days), len(weights), calibrations.folds, result.score) == (0, 0, (), None)
    assert f"No positions: {reason}" in caplog.text
