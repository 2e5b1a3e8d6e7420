"""Test the summary and the report of a run."""

import json
from datetime import date, timedelta
from pathlib import Path

import plotly.graph_objects as go
import polars as pl
import pytest

from atft_kedro.evaluation.goals import GoalParams
from atft_kedro.params import InputError
from atft_kedro.reporting.run_pages import build_run_pages, rescore_run
from atft_kedro.reporting.theme import apply_theme
from factories.benchmark_runs import make_returns, make_run
from factories.forecasts import EVALUATION
from factories.params import make_params


def test_the_summary_has_the_tables_and_the_report_the_figures_too(tmp_path: Path) -> None:
    returns = make_returns(30, [date(2024, 1, 1) + timedelta(days=day) for day in range(40)])
    run = make_run(tmp_path / "run", returns, share=0.5, precision="fp32")
    network = {"hidden_size": 8, "lookback": 12}
    (run.folder / "manifest.json").write_text(json.dumps({**run.manifest, "network": network}))
    epoch = {"seed": 7, "phase": "one", "epochs": 1, "train_loss": 0.9, "seconds": 2.0, "validation": {"rank_ic": 0.1}}
    (run.folder / "metrics.jsonl").write_text(json.dumps(epoch) + "\n")

    figure = apply_theme(go.Figure(go.Bar(y=[1])), "A figure", "How to read it.")
    summary, report = build_run_pages(run.folder, run.score, [figure])

    assert summary.startswith("# Run run\n\n## Goals")
    for title in ("Same close and next close on the test days", "Difference from the baselines", "Phases", "Origin"):
        assert title in summary
        assert title in report
    assert "How to read it." in report


def test_a_run_without_figures_is_not_scored_again(tmp_path: Path) -> None:
    (tmp_path / "forecasts.parquet").touch()

    with pytest.raises(InputError, match=r"has no baselines\.parquet, learning\.json, feature\.json, lag\.json, graph"):
        rescore_run(tmp_path, pl.LazyFrame(), 0, EVALUATION, make_params(GoalParams))
