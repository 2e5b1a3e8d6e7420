"""Processes that fail, die, are asked to end, or lose the one that started them."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from atft_kedro.walk_forward.process_pool import Ending, Task, work_apart
from factories import processes
from factories.processes import die, note, refuse, rest, say_nothing, stop, tasks_of, wait_for


def test_what_fails_says_why_and_the_others_go_on(tmp_path: Path) -> None:
    told: list[str] = []

    def tell(task: Task, ending: Ending) -> None:
        told.append(task.name)

    endings = work_apart(tasks_of(tmp_path, refuse, die, stop, note), 1, tell)

    assert {name: ending.reason for name, ending in endings.items()} == {
        "refuse 0": "RuntimeError: refuse 0 cannot be done",
        "die 1": "killed by SIGKILL, as the system does when memory runs out",
        "stop 2": "stopped before its end, with a checkpoint",
        "note 3": None,
    }
    assert told == list(endings)
    assert "RuntimeError: refuse 0 cannot be done" in (tmp_path / "0.log").read_text()


def test_what_a_process_says_goes_into_its_log(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    work_apart(tasks_of(tmp_path, note), 1, say_nothing)

    assert (tmp_path / "0.log").read_text() == "note 0 says so\n"
    assert "says so" not in "".join(capfd.readouterr())


def test_work_without_a_place_for_its_log_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "taken").touch()

    (ending,) = work_apart([Task("one", note, (tmp_path, "one"), tmp_path / "taken" / "log")], 1, say_nothing).values()

    assert ending.reason is not None
    assert ending.reason.startswith("FileExistsError")


def test_no_more_processes_work_than_are_asked_for(tmp_path: Path) -> None:
    endings = work_apart(tasks_of(tmp_path, rest, rest, rest), 2, say_nothing)

    events = [(float(file.read_text()), 1 if file.name.endswith("begins") else -1) for file in tmp_path.glob("rest *")]
    at_once = [sum(change for _, change in sorted(events)[: end + 1]) for end in range(len(events))]
    assert len(events) == 6
    assert max(at_once) <= 2
    assert all(ending.reason is None for ending in endings.values())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nobody_is_left_behind_however_the_first_process_ends(tmp_path: Path, number: signal.Signals) -> None:
    """Ctrl-C goes to all that the terminal started, as it does here."""
    first = subprocess.Popen(
        [sys.executable, processes.__file__, str(tmp_path)], start_new_session=True, stderr=subprocess.DEVNULL
    )
    notes = [tmp_path / "dawdle 0", tmp_path / "dawdle 1"]
    wait_for(lambda: all(note.exists() and note.read_text() for note in notes))
    others = [int(note.read_text()) for note in notes]

    os.killpg(first.pid, number)

    assert first.wait(timeout=20) != 0
    wait_for(lambda: not any(psutil.pid_exists(pid) for pid in others))
    assert all((tmp_path / f"dawdle {place} ended").exists() for place in (0, 1))
