"""Tasks in processes that fail, die, are terminated or lose their parent."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from atft_kedro import plugins
from atft_kedro.walk_forward.process_pool import Task, TaskResult, run_tasks
from factories import processes
from factories.processes import (
    fail,
    ignore_result,
    kill_self,
    make_tasks,
    stop,
    wait_for,
    write_permitted,
    write_pid,
    write_times,
)


def test_a_failed_task_has_a_reason_and_the_others_run(tmp_path: Path) -> None:
    ended: list[str] = []

    def on_end(task: Task, result: TaskResult) -> None:
        ended.append(task.name)

    results = run_tasks(make_tasks(tmp_path, fail, kill_self, stop, write_pid), 1, on_end)

    assert {name: result.reason for name, result in results.items()} == {
        "fail 0": "RuntimeError: fail 0 cannot be done",
        "kill_self 1": "killed by SIGKILL, which the system sends when memory runs out",
        "stop 2": "stopped before its end, with a checkpoint",
        "write_pid 3": None,
    }
    assert ended == list(results)
    assert "RuntimeError: fail 0 cannot be done" in (tmp_path / "0.log").read_text()


def test_the_output_of_a_process_is_in_its_log_only(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run_tasks(make_tasks(tmp_path, write_pid), 1, ignore_result)

    assert (tmp_path / "0.log").read_text() == "write_pid 0 runs\n"
    assert "runs" not in "".join(capfd.readouterr())


def test_a_task_without_a_writable_log_has_a_reason(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    task = Task("one", write_pid, (tmp_path, "one"), tmp_path / "file" / "log")
    (result,) = run_tasks([task], 1, ignore_result).values()

    assert result.reason is not None
    assert result.reason.startswith("FileExistsError")


def test_no_more_than_the_given_number_of_processes_run_at_once(tmp_path: Path) -> None:
    results = run_tasks(make_tasks(tmp_path, write_times, write_times, write_times), 2, ignore_result)

    files = tmp_path.glob("write_times *")
    events = [(float(file.read_text()), 1 if file.name.endswith("starts") else -1) for file in files]
    at_once = [sum(change for _, change in sorted(events)[: end + 1]) for end in range(len(events))]
    assert len(events) == 6
    assert max(at_once) <= 2
    assert all(result.reason is None for result in results.values())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_process_is_left_after_the_first_process_ends(tmp_path: Path, number: signal.Signals) -> None:
    """The signal goes to the whole process group, as Ctrl-C in a terminal does."""
    command = [sys.executable, "-m", processes.__name__, str(tmp_path)]
    tests = Path(processes.__file__).parents[1]
    first = subprocess.Popen(command, cwd=tests, start_new_session=True, stderr=subprocess.DEVNULL)
    files = [tmp_path / f"sleep_until_terminated {number}" for number in (0, 1)]
    wait_for(lambda: all(file.exists() and file.read_text() for file in files))
    others = [int(file.read_text()) for file in files]

    os.killpg(first.pid, number)

    assert first.wait(timeout=20) != 0
    wait_for(lambda: not any(psutil.pid_exists(pid) for pid in others))
    assert all(file.with_name(f"{file.name} ended").exists() for file in files)


def test_a_process_permits_the_same_plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "_permitted", {"own_losses:halved"})

    run_tasks(make_tasks(tmp_path, write_permitted), 1, ignore_result)

    assert (tmp_path / "0.log").read_text() == "['own_losses:halved']\n"
