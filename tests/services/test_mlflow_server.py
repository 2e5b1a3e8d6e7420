"""A server that is found again, ended whole, and never taken for another program."""

import json
import os
import signal
import socket
import subprocess
from pathlib import Path

import psutil
import pytest

from atft_kedro.params import InputError
from atft_kedro.services.mlflow_server import FOLDER, Server, end_server, find_server, start_server
from factories.postgres import PASSWORD, find_free_port
from factories.processes import wait_for


def leave_state(project: Path, pid: int, started: float) -> None:
    """Write down a server as if it had been started there."""
    (project / FOLDER).mkdir()
    server = Server(pid=pid, started=started, port=5000, store="sqlite:///mlflow.db")
    (project / FOLDER / "server.json").write_text(server.model_dump_json())


def start_family(project: Path) -> list[psutil.Process]:
    """Start a process with a child in a session of its own, written down as the server."""
    leader = subprocess.Popen(["sh", "-c", "sleep 600 & sleep 600 & wait"], start_new_session=True)
    family = psutil.Process(leader.pid)
    wait_for(lambda: len(family.children()) == 2)
    leave_state(project, leader.pid, family.create_time())
    return [family, *family.children()]


def are_gone(processes: list[psutil.Process]) -> bool:
    return not any(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in processes)


def test_a_server_ends_with_all_its_processes(tmp_path: Path) -> None:
    family = start_family(tmp_path)

    assert end_server(tmp_path) is not None
    assert are_gone(family)
    assert end_server(tmp_path) is None


def test_a_server_whose_first_process_was_killed_leaves_nobody_behind(tmp_path: Path) -> None:
    family = start_family(tmp_path)
    os.kill(family[0].pid, signal.SIGKILL)
    wait_for(lambda: are_gone(family[:1]))

    assert end_server(tmp_path) is not None
    assert are_gone(family)


def test_a_program_that_has_the_number_of_a_dead_server_is_left_alone(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as another:
        leave_state(tmp_path, another.pid, psutil.Process(another.pid).create_time() - 60)

        assert end_server(tmp_path) is None
        assert another.poll() is None
        assert not (tmp_path / FOLDER / "server.json").exists()
        another.kill()


def test_a_port_that_is_taken_is_refused(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        with pytest.raises(InputError, match=f"Port {port} of 127.0.0.1 cannot be had"):
            start_server(tmp_path, port, "sqlite:///mlflow.db")


@pytest.mark.parametrize(
    "store",
    [f"nonsense {PASSWORD}", f"mysql://atft:{PASSWORD}@127.0.0.1/atft", f"://{PASSWORD}"],
    ids=["text", "mysql", "nothing"],
)
def test_what_is_no_database_is_refused_without_being_repeated(tmp_path: Path, store: str) -> None:
    with pytest.raises(InputError, match="no database that is known here") as refused:
        start_server(tmp_path, find_free_port(), store)

    assert PASSWORD not in str(refused.value)


def test_a_database_that_does_not_answer_is_refused_without_its_password(tmp_path: Path) -> None:
    port = find_free_port()

    with pytest.raises(InputError, match=r"postgresql\+psycopg://atft:\*\*\*@.* does not answer") as refused:
        start_server(tmp_path, port, f"postgresql+psycopg://atft:{PASSWORD}@127.0.0.1:{port}/atft")

    assert PASSWORD not in str(refused.value)
    assert find_server(tmp_path) is None


@pytest.mark.slow
def test_a_server_that_does_not_come_up_says_why_and_leaves_nobody(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("this is no database, and long enough to be taken for one. " * 20)

    with pytest.raises(InputError, match="(?s)does not come up.*file is not a database"):
        start_server(tmp_path, find_free_port(), "sqlite:///mlflow.db")

    left = json.loads((tmp_path / FOLDER / "server.json").read_text())["pid"]
    assert not [each for each in psutil.pids() if each == left and psutil.Process(each).status() != "zombie"]
    assert find_server(tmp_path) is None
