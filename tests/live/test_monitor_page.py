"""The page of the monitor shows every check, the promised band and the levels of the test."""

from datetime import timedelta

import numpy as np
import pytest

from atft_kedro.live.live_checks import MonitorParams
from atft_kedro.live.monitor import MonitoredForecasts, monitor_forecasts
from atft_kedro.live.monitor_page import (
    build_monitor_page,
    plot_live_rank_ic,
    plot_statistic,
    tabulate_checks,
    tabulate_live_scores,
)
from factories.live_forecasts import FIRST, forecast, make_champion, make_dataset, to_journal
from factories.params import make_params


@pytest.fixture(scope="module")
def monitored() -> MonitoredForecasts:
    dataset = make_dataset(120)
    journal = to_journal(forecast(dataset, 0.3, until=FIRST + timedelta(days=40)))
    champion = make_champion(skill=0.3, horizons=(1,))
    return monitor_forecasts(journal, champion, dataset.lazy(), make_params(MonitorParams), FIRST, FIRST)


def test_the_page_has_every_check_and_figure(monitored: MonitoredForecasts) -> None:
    page = build_monitor_page(monitored)

    assert "<h1>Monitor of run first: alarm</h1>" in page
    assert '<td class="alarm">alarm</td>' in page
    assert f"The test restarted after {FIRST}." in page
    assert [check.name for check in monitored.report.checks if f"<td>{check.name}</td>" not in page] == []
    assert page.count("<figure>") == 3
    table = tabulate_live_scores(monitored.report)
    assert table.rows[0][:2] == ["1 d", "120"]
    assert table.rows[0][-1] == "–"  # no challenger
    assert tabulate_checks(monitored.report).rows[0][1] == "alarm"


def test_the_band_is_that_of_sums_of_the_records_days(monitored: MonitoredForecasts) -> None:
    record = monitored.report.record[1].rank_ic
    days = monitored.daily.drop_nulls("rank_ic")

    upper, lower, live = plot_live_rank_ic(days, record, 1).data[3:]  # of the cumulative rank IC

    spread = 2 * np.sqrt(np.arange(1, 121) * record.std**2 + (np.arange(1, 121) * record.se) ** 2)
    assert np.asarray(upper.y) == pytest.approx(np.arange(1, 121) * record.mean + spread)
    assert np.asarray(lower.y) == pytest.approx(np.arange(1, 121) * record.mean - spread)
    assert np.asarray(live.y) == pytest.approx(np.cumsum(days["rank_ic"].to_numpy()))


def test_the_levels_of_warning_and_alarm_are_drawn(monitored: MonitoredForecasts) -> None:
    test = monitored.report.test
    assert test is not None

    figure = plot_statistic(monitored)

    assert [shape.y0 for shape in figure.layout.shapes] == [test.warning, test.alarm]
    assert len(figure.data[0].y) == 119  # the first day was acknowledged
