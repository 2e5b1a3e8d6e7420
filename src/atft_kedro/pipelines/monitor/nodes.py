"""Nodes that score the live forecasts and report an alarm."""

from datetime import date
from typing import Any

import polars as pl

from atft_kedro.datasets.notification import Notifier
from atft_kedro.evaluation.score import ScoringParams
from atft_kedro.export.model_folder import ExportedModels
from atft_kedro.live.journal import select_live_revisions
from atft_kedro.live.live_checks import MonitorParams
from atft_kedro.live.monitor import Acknowledgements, LiveAlarm, MonitorReport, monitor_forecasts, read_champion
from atft_kedro.live.monitor_page import build_monitor_page


def check_live_forecasts(  # noqa: PLR0913, PLR0917 — each argument is a separate dataset
    mapped_dataset: pl.LazyFrame,
    guard_verdict: dict[str, Any],
    journal: pl.DataFrame,
    exported_models: ExportedModels,
    acknowledgements: Acknowledgements,
    today: date,
    evaluation: ScoringParams,
    params: MonitorParams,
) -> tuple[MonitorReport, str]:
    """Score the journal's live forecasts, check them, and build the page.

    ``guard_verdict`` is not read. As an input, it makes Kedro check the data first.
    """
    forecasts = select_live_revisions(journal) if len(journal) else journal
    champion = read_champion(forecasts, exported_models, evaluation, params.entry_lag)
    restart_after = acknowledgements.last_day
    monitored = monitor_forecasts(forecasts, champion, mapped_dataset, params, today, restart_after)
    return monitored.report, build_monitor_page(monitored)


def report_alarm(monitor_report: MonitorReport, monitor_page: str, notifier: Notifier) -> None:
    """Send an alarm to the configured services and end the run with the alarm's exit code.

    ``monitor_page`` is not read. As an input, it makes Kedro write all files first.
    """
    if monitor_report.status == "alarm":
        notifier.send(monitor_report.describe())
        raise LiveAlarm(monitor_report.describe())
