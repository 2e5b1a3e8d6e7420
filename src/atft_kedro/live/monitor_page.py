"""The page of the monitor: checks, live scores next to the test record, and figures."""

import numpy as np
import plotly.graph_objects as go
import polars as pl
from plotly.subplots import make_subplots

from ..evaluation.daily_statistics import Mean
from ..evaluation.entries import name_entry
from ..reporting.calibration_figures import plot_coverage
from ..reporting.format import format_difference, format_number, format_with_error
from ..reporting.html_pages import build_html_report
from ..reporting.score_figures import MONTH
from ..reporting.table import Table
from ..reporting.theme import BLUE, FAINT, apply_theme
from ..schema import DATE, HORIZON
from .live_checks import RANK_IC, STATISTIC
from .monitor import STATUSES, MonitoredForecasts, MonitorReport

LISTED_FEATURES = 10
ORANGE, RED = "#d9762b", "#b3261e"


def build_monitor_page(monitored: MonitoredForecasts) -> str:
    """Build the page from the report and its tables."""
    report, shortest = monitored.report, min(monitored.report.record)
    days = monitored.daily.filter(pl.col(HORIZON) == shortest).drop_nulls(RANK_IC)
    coverage = plot_coverage(report.live).update_layout(
        meta={"caption": "Of the live forecasts. 0 is the nominal coverage. Bars are two Newey-West standard errors."}
    )
    figures = [plot_live_rank_ic(days, report.record[shortest].rank_ic, shortest), plot_statistic(monitored), coverage]
    tables = [tabulate_checks(report), tabulate_live_scores(report), tabulate_features(monitored.features)]
    return build_html_report(f"Monitor of run {report.run}: {report.status}", tables, figures)


def tabulate_checks(report: MonitorReport) -> Table:
    """Tabulate the checks and their advice."""
    rows = [
        [check.name, STATUSES[check.severity], ". ".join((check.message, *check.advice))] for check in report.checks
    ]
    after = f" The test restarted after {report.restarted_after}." if report.restarted_after else ""
    tested = report.scored_until or "–"
    note = f"Live forecasts from {report.first} to {report.last}; the newest tested day: {tested}.{after}"
    return Table("Checks", ["check", "status", "result"], rows, note)


def tabulate_live_scores(report: MonitorReport) -> Table:
    """Tabulate live scores and those of the test record, and the lead over the challenger."""
    rows = []
    for horizon, live in report.live.items():
        record, challenger = report.record[horizon], report.challengers.get(horizon)
        cells = [format_with_error(mean) for mean in (live.rank_ic, record.rank_ic, live.scale, record.scale)]
        lead = format_difference(challenger.differences[RANK_IC] if challenger else None)
        rows.append([f"{horizon} d", str(live.rank_ic.days), *cells, lead])
    header = ["horizon", "days", "rank IC", "in the record", "deviation", "in the record", "lead over the challenger"]
    note = (
        f"Returns are entered at the {name_entry(report.entry_lag)}. ± is one Newey-West standard error. The "
        "deviation is the standard deviation of the forecasts divided by that of the labels. Challenger: "
        f"{report.challenger or 'none'}."
    )
    return Table("Live scores and the test record", header, rows, note)


def tabulate_features(features: pl.DataFrame) -> Table:
    """Tabulate the features with the largest drift."""
    rows = [
        [name, format_number(shift, 2), f"{unknown:.1%}", f"{before:.1%}"]
        for name, shift, unknown, before in features.head(LISTED_FEATURES).rows()
    ]
    note = "The newest days. The shift is the mean distance from the center of the training, in units of the scaler."
    return Table("Features with the largest drift", ["feature", "shift", "unknown", "unknown in training"], rows, note)


def plot_live_rank_ic(days: pl.DataFrame, record: Mean, horizon: int) -> go.Figure:
    """Plot the monthly and the cumulative live rank IC, and the band that the record promises."""
    figure = make_subplots(rows=2, shared_xaxes=True, vertical_spacing=0.06)
    number, dates = np.arange(1, len(days) + 1), days[DATE].to_list()
    mean, std, se = (value or 0.0 for value in (record.mean, record.std, record.se))
    monthly = days[RANK_IC].rolling_mean(MONTH, min_samples=1).to_numpy()
    counted = np.minimum(number, MONTH)
    for row, values, expected, spread in (
        (1, monthly, np.full(len(days), mean), 2 * np.hypot(std / np.sqrt(counted), se)),
        (2, days[RANK_IC].cum_sum().to_numpy(), mean * number, 2 * np.hypot(std * np.sqrt(number), se * number)),
    ):
        style = {"x": dates, "mode": "lines", "hoverinfo": "skip", "showlegend": False, "row": row, "col": 1}
        figure.add_scatter(y=expected + spread, line_width=0, **style)
        style["showlegend"] = row == 1
        figure.add_scatter(
            y=expected - spread, line_width=0, fill="tonexty", fillcolor=FAINT, name="promised band", **style
        )
        figure.add_scatter(x=dates, y=values, name="live", line_color=BLUE, showlegend=row == 1, row=row, col=1)
    figure.update_yaxes(title_text=f"rank IC, mean of {MONTH} days", row=1, col=1)
    figure.update_yaxes(title_text="cumulative rank IC", row=2, col=1)
    caption = (
        f"Forecasts over {horizon} d. The band holds 95 % of the values if the true mean is that of the test record, "
        "whose own error is included."
    )
    return apply_theme(figure, "Live rank IC", caption, height=560)


def plot_statistic(monitored: MonitoredForecasts) -> go.Figure:
    """Plot the statistic of the sequential test with the levels of a warning and of an alarm."""
    test, statistic = monitored.report.test, monitored.statistic
    figure = go.Figure()
    figure.add_scatter(x=statistic[DATE].to_list(), y=statistic[STATISTIC].to_list(), line_color=BLUE, name=STATISTIC)
    caption = "The test record promises no rank IC above 0, so nothing is tested."
    if test:
        for level, name, colour in ((test.warning, "warning", ORANGE), (test.alarm, "alarm", RED)):
            figure.add_hline(y=level, line_dash="dash", line_color=colour, annotation_text=name)
        caption = (
            f"It rises while the rank IC is below {test.limit - test.reference * test.deviation:.4f}. "
            f"The test asks whether the mean is still {test.limit:.4f} or more, half of the record's lower 95 % bound."
        )
    figure.update_layout(yaxis_title=STATISTIC, yaxis_rangemode="tozero")
    return apply_theme(figure, "Sequential test of the rank IC", caption, height=340)
