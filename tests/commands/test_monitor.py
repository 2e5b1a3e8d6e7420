"""Test ``kedro atft monitor``; tests/pipelines/test_monitor.py runs it in a project."""

from inspect import unwrap
from pathlib import Path

import pytest
from kedro.io import DataCatalog

from atft_kedro.commands.monitor import ack, show
from atft_kedro.live.monitor import MonitorReport
from atft_kedro.params import InputError
from factories.catalogs import open_catalog
from factories.live_forecasts import both_horizons, make_champion, make_dataset, monitor, to_journal


def store_report(folder: Path, skill: float) -> tuple[DataCatalog, MonitorReport]:
    """Write the report of forecasts whose record promises a skill of 0.3."""
    dataset, catalog = make_dataset(60), open_catalog(folder)
    report = monitor(dataset, to_journal(both_horizons(dataset, skill)), make_champion(0.3)).report
    catalog["monitor_report"].save(report)
    return catalog, report


def test_the_report_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    catalog, report = store_report(tmp_path, 0.3)

    unwrap(show.callback)(catalog)

    shown = " ".join(capsys.readouterr().out.split())
    assert f"{report.made_on}: ok" in shown
    assert [check.name for check in report.checks if f"{check.name} ok" not in shown] == []


def test_an_alarm_is_acknowledged_once_for_its_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    catalog, report = store_report(tmp_path, 0.0)

    unwrap(ack.callback)(catalog, reason="known")

    (entry,) = catalog["acknowledgements"].load().entries
    assert report.status == "alarm"
    assert (entry.run, entry.until, entry.reason) == ("first", report.scored_until, "known")
    assert f"restarts after {report.scored_until}" in capsys.readouterr().out


def test_without_an_alarm_nothing_is_acknowledged(tmp_path: Path) -> None:
    catalog, _ = store_report(tmp_path, 0.3)

    with pytest.raises(InputError, match="There is no alarm to acknowledge: the status of 2024-02-29 is ok"):
        unwrap(ack.callback)(catalog, reason="")
    assert catalog["acknowledgements"].load().entries == ()
