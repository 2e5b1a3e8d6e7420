"""The summary and the report of a run, and scoring a run again."""

from collections.abc import Sequence
from pathlib import Path

import plotly.graph_objects as go
import polars as pl

from ..advice import advise_run
from ..evaluation.compare_baselines import score_run
from ..evaluation.compare_runs import RETURNS
from ..evaluation.entries import collect_returns
from ..evaluation.forecast_table import FORECASTS_FILE, open_table
from ..evaluation.goals import GoalParams
from ..evaluation.run_scores import BASELINES, DAILY, SCORE, SEEDS, add_goals, read_score, update_returns, use_run_units
from ..evaluation.score import RunScore, ScoringParams
from ..files import atomic_write, read_json
from ..params import InputError
from ..schema import DATE
from ..training.run_status import read_entry_lag, read_history
from ..training.runs import read_manifest
from .html_pages import build_html_report, has_content
from .position_figures import POSITION_FIGURES
from .run_tables import tabulate_run
from .score_figures import plot_scores
from .table import build_markdown_page

SUMMARY, REPORT = "summary.md", "report.html"
PLOTS = "plots"
TRAINING_FIGURES = ("learning", "feature", "lag", "graph")
OPTIONAL_FIGURES = ("turnover", "split")  # runs of older versions have none, nor figures of positions


def build_run_pages(folder: Path, score: RunScore, figures: Sequence[go.Figure]) -> tuple[str, str]:
    """Build the summary (Markdown) and the report (HTML) of a run."""
    tables = tabulate_run(score, read_manifest(folder), read_history(folder))
    title = f"Run {score.run}"
    shown = [figure for figure in figures if has_content(figure)]
    return build_markdown_page(title, tables), build_html_report(title, tables, shown)


def rescore_run(
    folder: Path, dataset: pl.LazyFrame, configured_lag: int, params: ScoringParams, goals: GoalParams
) -> RunScore:
    """Score a run's stored forecasts with the returns that are known now, and write its files."""
    plots, optional_plots = (
        [folder / PLOTS / f"{name}.json" for name in names]
        for names in (TRAINING_FIGURES, (*POSITION_FIGURES, *OPTIONAL_FIGURES))
    )
    missing = [path.name for path in (folder / FORECASTS_FILE, folder / BASELINES, *plots) if not path.exists()]
    if missing:
        raise InputError(
            f"Run {folder.name} has no {', '.join(missing)}. {advise_run('--pipelines fit,evaluate')} writes them "
            "for the latest run."
        )
    forecasts = update_returns(folder.name, open_table(folder / FORECASTS_FILE).collect(), dataset)
    files = [folder / name for name in (BASELINES, SEEDS)]
    baselines = pl.concat(open_table(path).collect() for path in files if path.exists())
    entry_lag = read_entry_lag(folder, configured_lag)
    returns = collect_returns(dataset, forecasts[DATE], entry_lag)
    score, daily = score_run(folder.name, forecasts, baselines, returns, use_run_units(params, folder), entry_lag)
    positions = read_score(folder).positions if (folder / SCORE).exists() else None  # needs more than forecasts
    score = add_goals(score, folder, goals).model_copy(update={"positions": positions})
    learning, *others = (go.Figure(read_json(path)) for path in (*plots, *filter(Path.exists, optional_plots)))
    summary, report = build_run_pages(folder, score, [learning, *plot_scores(score, daily), *others])
    for name, table in ((FORECASTS_FILE, forecasts), (DAILY, daily), (RETURNS, returns)):
        with atomic_write(folder / name) as partial:
            table.write_parquet(partial)
    for name, text in ((SCORE, score.model_dump_json(indent=2)), (SUMMARY, summary), (REPORT, report)):
        with atomic_write(folder / name) as partial:
            partial.write_text(text)
    return score
