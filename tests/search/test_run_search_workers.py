"""Workers in separate processes, some of them killed: no trial is lost."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from atft_kedro.search.study_status import StudyStatus, TrialSummary
from atft_kedro.training.engine import STOPPED
from factories.postgres import running_postgres
from factories.processes import wait_for
from factories.searches import find_status, start_worker, url_in

pytestmark = pytest.mark.long
TRIALS = 5
EPOCHS = 8  # of a complete trial


@pytest.fixture
def processes() -> Iterator[list[subprocess.Popen[bytes]]]:
    """List the started processes; kill those that still run at the end."""
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for process in started:
        process.kill()
        process.wait()


def find_running(url: str, pid: int | None = None, epochs: int = 2) -> TrialSummary | None:
    """Find a running trial with some finished epochs, of one worker or of any."""
    status = find_status(url)
    for trial in status.trials if status else ():
        is_of_worker = pid is None or (trial.worker or "").startswith(f"{pid} on ")
        if trial.state == "running" and trial.epochs >= epochs and is_of_worker:
            return trial
    return None


def pause_in_trial(process: subprocess.Popen[bytes], url: str, number: int) -> bool:
    """Pause a worker if it trains this trial; a signal then reaches it between two epochs, however slow the test is."""
    if (trial := find_running(url)) is None or trial.number != number:
        return False
    process.send_signal(signal.SIGSTOP)
    with suppress(OperationalError):  # it was paused while it held the lock of the database
        trial = find_running(url)
        if trial is not None and trial.number == number and trial.epochs < EPOCHS:
            return True
    process.send_signal(signal.SIGCONT)
    return False


def require_no_trial_lost(status: StudyStatus | None, trials: int) -> None:
    """Check that every wanted trial has ended, and that each killed one was repeated."""
    assert status is not None
    assert [trial.number for trial in status.trials] == list(range(len(status.trials)))
    assert set(status.counts) <= {"complete", "pruned", "retried"}
    assert status.scored_trials == trials
    ended = [trial.params for trial in status.trials if trial.state != "retried"]
    assert all(trial.params in ended for trial in status.trials if trial.state == "retried")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_search_that_was_killed_or_terminated_resumes(
    tmp_path: Path, processes: list[subprocess.Popen[bytes]], number: signal.Signals
) -> None:
    url = url_in(tmp_path)
    processes.append(start_worker(tmp_path, "search", url, 2))
    wait_for(lambda: pause_in_trial(processes[0], url, 1))
    processes[0].send_signal(number)
    processes[0].send_signal(signal.SIGCONT)
    code = processes[0].wait(60)
    before = find_status(url)
    processes.append(start_worker(tmp_path, "search", url, 2))
    assert processes[1].wait(120) == 0, (tmp_path / "search-1.log").read_text()

    after = find_status(url)
    assert before is not None
    assert after is not None
    require_no_trial_lost(after, 2)
    assert code == (STOPPED if number == signal.SIGTERM else -signal.SIGKILL)
    assert after.trials[0] == before.trials[0]
    assert after.counts["retried"] == 1
    killed, resumed = (trial for trial in after.trials if trial.params == before.trials[1].params)
    assert (killed.state, resumed.state) == ("retried", "complete")
    assert resumed.run == killed.run == before.trials[1].run
    assert resumed.epochs == EPOCHS


def test_two_workers_share_a_study_in_postgres_and_one_is_killed(
    tmp_path: Path, processes: list[subprocess.Popen[bytes]]
) -> None:
    with running_postgres(tmp_path) as url:
        processes.append(start_worker(tmp_path, "join", url))
        wait_for((tmp_path / "ready").exists)  # so that trials are left for it, even on a busy machine
        processes.append(start_worker(tmp_path, "search", url, TRIALS))
        wait_for(lambda: find_running(url, processes[0].pid, epochs=1) is not None, seconds=180)
        processes[0].kill()
        assert processes[1].wait(180) == 0, (tmp_path / "search-1.log").read_text()
        status = find_status(url)

    require_no_trial_lost(status, TRIALS)
    assert status is not None
    assert status.counts["retried"] == 1
    assert len({trial.worker for trial in status.trials}) == 2
