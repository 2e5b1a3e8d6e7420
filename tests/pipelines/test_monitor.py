"""Test the monitor of live forecasts: its files, its exit code and acknowledged alarms."""

import json
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from atft_kedro.checks import CheckResult
from atft_kedro.live.monitor import LiveAlarm, MonitorReport
from atft_kedro.pipelines.monitor.nodes import report_alarm
from factories.project import SMALL, kedro, start_kedro

PREDICT = f"{SMALL},predict.days=80"


@dataclass
class Service:
    """Keeps the texts that are sent."""

    texts: list[str] = field(default_factory=list)

    def send(self, text: str) -> None:
        self.texts.append(text)


@pytest.mark.parametrize("status", ["ok", "warning", "alarm"])
def test_only_an_alarm_is_sent_and_ends_the_run(status: str) -> None:
    check = CheckResult.error("rank IC", "statistic 9.1")
    report = MonitorReport.model_construct(status=status, run="first", last=date(2024, 1, 5), checks=(check,))
    service = Service()

    if status == "alarm":
        with pytest.raises(
            LiveAlarm, match=r"alarm, live forecasts of run first until 2024-01-05: rank IC: statistic 9\.1"
        ):
            report_alarm(report, "page", service)
    else:
        report_alarm(report, "page", service)

    assert len(service.texts) == (status == "alarm")


def run_monitor(project: Path) -> tuple[int | None, str]:
    """Run the pipeline; return its exit code and the status in its report."""
    process = start_kedro(
        project, "run", "--pipelines", "monitor", "--params", PREDICT, log=str(project / "monitor.log")
    )
    process.join(300)
    return process.exitcode, json.loads((project / "data" / "08_reporting" / "monitor.json").read_text())["status"]


@pytest.mark.long
def test_an_alarm_ends_the_run_with_its_exit_code_until_it_is_acknowledged(ran_project: Path) -> None:
    empty = kedro(ran_project, "run", "--pipelines", "monitor", "--params", SMALL, fails=True)
    kedro(ran_project, "run", "--pipelines", "predict", "--params", PREDICT)
    for path in (ran_project / "data" / "07_model_output" / "journal").glob("*.parquet"):  # as if made on their days
        pl.read_parquet(path).with_columns(known_until=pl.col("date")).write_parquet(path)
    metrics = next((ran_project / "data" / "06_models" / "runs").glob("2*")) / "metrics.json"
    score = json.loads(metrics.read_text())
    promised = score["split"]["test"]["h1"]["rank_ic"]
    promised |= {"mean": 0.9, "se": 0.01, "std": 0.1}
    metrics.write_text(json.dumps(score))

    codes = [run_monitor(ran_project), run_monitor(ran_project)]
    shown, status = (kedro(ran_project, "atft", *words) for words in (("monitor", "show"), ("status",)))
    acknowledged = kedro(ran_project, "atft", "monitor", "ack", "--reason", "an experiment")
    after, again = run_monitor(ran_project), kedro(ran_project, "atft", "monitor", "ack", fails=True)

    assert "The journal has no forecast of a champion: kedro run --pipelines predict" in empty
    assert codes == [(3, "alarm")] * 2
    assert "Monitor of run" in (ran_project / "data" / "08_reporting" / "monitor.html").read_text()
    assert "Error: alarm, live forecasts of run" in (ran_project / "monitor.log").read_text()
    assert "rank IC alarm mean 0." in shown
    assert "monitor alarm, live forecasts of run" in status.replace("│ ", "")
    assert "restarts after" in acknowledged
    assert after[0] == 0
    assert after[1] != "alarm"
    assert "There is no alarm to acknowledge" in again
    stored = json.loads((ran_project / "data" / "07_model_output" / "acknowledgements.json").read_text())
    assert [entry["reason"] for entry in stored["entries"]] == ["an experiment"]
