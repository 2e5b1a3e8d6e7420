"""Write the summary and the report of a run, when it is scored and when it is scored again."""

from collections.abc import Sequence
from pathlib import Path

import plotly.graph_objects as go
import polars as pl

from ..evaluation.compare_baselines import score_run
from ..evaluation.compare_runs import RETURNS
from ..evaluation.entries import collect_returns
from ..evaluation.forecast_table import FORECASTS, open_table
from ..evaluation.goals import GoalParams
from ..evaluation.run_scores import BASELINES, DAILY, SCORE, SEEDS, add_goals, update_returns, use_run_units
from ..evaluation.score import EvaluationParams, RunScore
from ..files import atomic_write, read_json
from ..params import InputError
from ..schema import DATE
from ..training.run_status import read_entry_lag, read_history, read_manifest
from .report_page import build_html_report
from .run_tables import tabulate_run
from .score_figures import draw_scores
from .summary import build_markdown_page

SUMMARY, REPORT = "summary.md", "report.html"
PLOTS = "plots"


def build_run_pages(folder: Path, score: RunScore, figures: Sequence[go.Figure]) -> tuple[str, str]:
    """Write the summary and the report of a run."""
    grids = tabulate_run(score, read_manifest(folder), read_history(folder))
    title = f"Run {score.run}"
    return build_markdown_page(title, grids), build_html_report(title, grids, figures)


def rescore_run(
    folder: Path, dataset: pl.LazyFrame, configured_lag: int, params: EvaluationParams, goals: GoalParams
) -> RunScore:
    """Score the forecasts in a run's folder by the returns that are known now, and write that down there."""
    drawn = [folder / PLOTS / name for name in ("learning.json", "feature.json", "lag.json", "graph.json")]
    later = [folder / PLOTS / name for name in ("turnover.json", "split.json")]  # older runs have none
    missing = [path.name for path in (folder / FORECASTS, folder / BASELINES, *drawn) if not path.exists()]
    if missing:
        raise InputError(
            f"Run {folder.name} has no {', '.join(missing)}; kedro run --pipelines fit,evaluate makes the latest run's."
        )
    forecasts = update_returns(folder.name, open_table(folder / FORECASTS).collect(), dataset)
    rivals = pl.concat(open_table(folder / name).collect() for name in (BASELINES, SEEDS) if (folder / name).exists())
    entry_lag = read_entry_lag(folder, configured_lag)
    returns = collect_returns(dataset, forecasts[DATE], entry_lag)
    score, daily = score_run(folder.name, forecasts, rivals, returns, use_run_units(params, folder), entry_lag)
    score = add_goals(score, folder, goals)
    learned, *seen = (go.Figure(read_json(path)) for path in (*drawn, *filter(Path.exists, later)))
    summary, report = build_run_pages(folder, score, [learned, *draw_scores(score, daily), *seen])
    for name, table in ((FORECASTS, forecasts), (DAILY, daily), (RETURNS, returns)):
        with atomic_write(folder / name) as partial:
            table.write_parquet(partial)
    for name, text in ((SCORE, score.model_dump_json(indent=2)), (SUMMARY, summary), (REPORT, report)):
        with atomic_write(folder / name) as partial:
            partial.write_text(text)
    return score
