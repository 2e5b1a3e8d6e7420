"""Workers in processes of their own, some of them killed: nothing is lost."""

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from atft_kedro.search.study_status import Standing, TriedTrial
from atft_kedro.training.engine import STOPPED
from factories.postgres import running_postgres
from factories.processes import wait_for
from factories.searches import stand, start

pytestmark = pytest.mark.long
TRIALS = 5


@pytest.fixture
def processes() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Keep what was started, and end what of it still runs."""
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for process in started:
        process.kill()
        process.wait()


def running(url: str, pid: int | None = None, epochs: int = 2) -> TriedTrial | None:
    """Find a trial that has shown some epochs and goes on, of a worker or of any."""
    standing = stand(url)
    for trial in standing.trials if standing else ():
        mine = pid is None or (trial.worker or "").startswith(f"{pid} on ")
        if trial.state == "running" and trial.epochs >= epochs and mine:
            return trial
    return None


def require_whole(standing: Standing | None, trials: int) -> None:
    """See that every trial that is wanted has ended, and that each killed one was tried again."""
    assert standing is not None
    assert [trial.number for trial in standing.trials] == list(range(len(standing.trials)))
    assert set(standing.counts) <= {"complete", "pruned", "retried"}
    assert standing.tried == trials
    again = [trial.chosen for trial in standing.trials if trial.state != "retried"]
    assert all(trial.chosen in again for trial in standing.trials if trial.state == "retried")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_search_that_was_ended_goes_on_where_it_was(
    tmp_path: Path, processes: list[subprocess.Popen[bytes]], number: signal.Signals
) -> None:
    url = f"sqlite:///{tmp_path / 'studies.db'}"
    processes.append(start(tmp_path, "search", url, "2"))
    wait_for(lambda: (trial := running(url)) is not None and trial.number == 1)
    processes[0].send_signal(number)
    code = processes[0].wait(60)
    before = stand(url)
    processes.append(start(tmp_path, "search", url, "2"))
    assert processes[1].wait(120) == 0, (tmp_path / "search-1.log").read_text()

    after = stand(url)
    assert before is not None
    assert after is not None
    require_whole(after, 2)
    assert code == (STOPPED if number == signal.SIGTERM else -signal.SIGKILL)
    assert after.trials[0] == before.trials[0]
    assert after.counts["retried"] == 1
    ended, again = (trial for trial in after.trials if trial.chosen == before.trials[1].chosen)
    assert (ended.state, again.state) == ("retried", "complete")
    assert again.run == ended.run == before.trials[1].run
    assert again.epochs == 8


def test_two_workers_share_a_study_in_postgres_and_one_is_killed(
    tmp_path: Path, processes: list[subprocess.Popen[bytes]]
) -> None:
    with running_postgres(tmp_path) as url:
        processes.append(start(tmp_path, "help", url, "two"))
        wait_for((tmp_path / "ready").exists)  # so that trials are left for it, however busy the machine is
        processes.append(start(tmp_path, "search", url, str(TRIALS)))
        wait_for(lambda: running(url, processes[0].pid, epochs=1) is not None)
        processes[0].kill()
        assert processes[1].wait(180) == 0, (tmp_path / "search-1.log").read_text()
        standing = stand(url)

    require_whole(standing, TRIALS)
    assert standing is not None
    assert standing.counts["retried"] == 1
    assert len({trial.worker for trial in standing.trials}) == 2
