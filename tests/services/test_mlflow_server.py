"""Test that the server is found, stopped with all processes, and not confused with other programs."""

import json
import os
import signal
import socket
import subprocess
from pathlib import Path

import psutil
import pytest

from atft_kedro.params import InputError
from atft_kedro.services.mlflow_server import STATE_FOLDER, Server, find_server, start_server, stop_server
from factories.postgres import PASSWORD, find_free_port
from factories.processes import wait_for


def leave_state(project: Path, pid: int, started: float) -> None:
    """Write the state file of a server that was started in this project."""
    (project / STATE_FOLDER).mkdir()
    server = Server(pid=pid, started=started, port=5000, store="sqlite:///mlflow.db")
    (project / STATE_FOLDER / "server.json").write_text(server.model_dump_json())


def start_processes(project: Path) -> list[psutil.Process]:
    """Start a process with two children in a new session, with the state file of a server."""
    leader = subprocess.Popen(["sh", "-c", "sleep 600 & sleep 600 & wait"], start_new_session=True)
    parent = psutil.Process(leader.pid)
    wait_for(lambda: len(parent.children()) == 2)
    leave_state(project, leader.pid, parent.create_time())
    return [parent, *parent.children()]


def have_ended(processes: list[psutil.Process]) -> bool:
    return not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes)


def test_a_broken_state_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / STATE_FOLDER).mkdir()
    (tmp_path / STATE_FOLDER / "server.json").write_text('{"pid": 1')

    with pytest.raises(InputError, match=r"server\.json does not describe a server"):
        stop_server(tmp_path)


def test_all_processes_of_a_server_are_stopped(tmp_path: Path) -> None:
    processes = start_processes(tmp_path)

    assert stop_server(tmp_path) is not None
    assert have_ended(processes)
    assert stop_server(tmp_path) is None


def test_a_server_with_a_killed_main_process_is_stopped(tmp_path: Path) -> None:
    processes = start_processes(tmp_path)
    os.kill(processes[0].pid, signal.SIGKILL)
    wait_for(lambda: have_ended(processes[:1]))

    assert stop_server(tmp_path) is not None
    assert have_ended(processes)


def test_another_program_with_the_same_pid_is_not_stopped(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as another:
        leave_state(tmp_path, another.pid, psutil.Process(another.pid).create_time() - 60)

        assert stop_server(tmp_path) is None
        assert another.poll() is None
        assert not (tmp_path / STATE_FOLDER / "server.json").exists()
        another.kill()


def test_a_used_port_is_refused(tmp_path: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]

        with pytest.raises(InputError, match=f"Port {port} of 127.0.0.1 is not available"):
            start_server(tmp_path, port, "sqlite:///mlflow.db")


@pytest.mark.parametrize(
    "store",
    [f"nonsense {PASSWORD}", f"mysql://atft:{PASSWORD}@127.0.0.1/atft", f"://{PASSWORD}"],
    ids=["text", "mysql", "nothing"],
)
def test_an_invalid_store_is_refused_without_repeating_it(tmp_path: Path, store: str) -> None:
    with pytest.raises(InputError, match="not the URL of a supported database") as refused:
        start_server(tmp_path, find_free_port(), store)

    assert PASSWORD not in str(refused.value)


def test_a_dead_database_is_refused_without_its_password(tmp_path: Path) -> None:
    port = find_free_port()

    with pytest.raises(InputError, match=r"postgresql\+psycopg://atft:\*\*\*@.* does not answer") as refused:
        start_server(tmp_path, port, f"postgresql+psycopg://atft:{PASSWORD}@127.0.0.1:{port}/atft")

    assert PASSWORD not in str(refused.value)
    assert find_server(tmp_path) is None


@pytest.mark.slow
def test_a_failed_start_shows_the_log_and_leaves_no_process(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("this is not a database, but long enough to be read as one. " * 20)

    with pytest.raises(InputError, match="(?s)did not start.*file is not a database"):
        start_server(tmp_path, find_free_port(), "sqlite:///mlflow.db")

    pid = json.loads((tmp_path / STATE_FOLDER / "server.json").read_text())["pid"]
    assert not [
        process
        for process in psutil.process_iter(["status"])
        if process.pid == pid and process.info["status"] != "zombie"
    ]
    assert find_server(tmp_path) is None
