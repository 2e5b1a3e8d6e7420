"""Start the project's MLflow server in the background, find it, and stop it with its child processes."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from ..params import InputError, Params
from .database_url import hide_password, require_connection

STATE_FOLDER = ".mlflow"  # in the project: the server's state file and log
HOST = "127.0.0.1"
WORKERS = 2
START_TIMEOUT = 90.0  # seconds to wait for the first answer; enough for a slow disk and a new database
STOP_TIMEOUT = 15.0  # seconds to wait after each signal
DATABASE_TIMEOUT = 10  # seconds


class Server(Params):
    """A running server that this project started."""

    pid: int  # of the server, which leads a session; its child processes belong to that session
    started: float  # seconds since the epoch
    port: int
    store: str  # URL of the database, with its passwords hidden

    @property
    def url(self) -> str:
        """The address for a browser."""
        return f"http://{HOST}:{self.port}"


def start_server(project: Path, port: int, store: str) -> Server:
    """Start the MLflow server of a project with a database URL; wait until it answers."""
    running = find_server(project)
    if running is not None:
        raise InputError(f"MLflow is already running at {running.url} (store {running.store}).")
    url = _parse_store(store)
    _require_free_port(port)
    (project / STATE_FOLDER).mkdir(mode=0o700, exist_ok=True)
    process = _start_process(project, port, url.render_as_string(hide_password=False))
    started = psutil.Process(process.pid).create_time()
    server = Server(pid=process.pid, started=started, port=port, store=hide_password(store))
    try:
        with _state_path(project).open("x") as file:
            file.write(server.model_dump_json(indent=2))
        _wait_until_healthy(server, process, log_path(project))
    except FileExistsError:
        _end_processes(server)
        raise InputError("Another process is starting MLflow at this moment.") from None
    except BaseException:
        _end_processes(server)
        raise
    return server


def find_server(project: Path) -> Server | None:
    """Return the running server, else None; delete the state file of a server that has ended."""
    if not _state_path(project).exists():
        return None
    try:
        server = Server.model_validate_json(_state_path(project).read_text())
    except ValueError as error:
        raise InputError(
            f"{_state_path(project)} does not describe a server. End the process of MLflow if it runs, and delete this "
            "file."
        ) from error
    if _list_processes(server):
        return server
    _state_path(project).unlink()
    return None


def stop_server(project: Path) -> Server | None:
    """Stop the running server; None if there is no running server."""
    server = find_server(project)
    if server is not None:
        _end_processes(server)
        _state_path(project).unlink()
    return server


def log_path(project: Path) -> Path:
    """Return the path of the server's log."""
    return project / STATE_FOLDER / "server.log"


def _state_path(project: Path) -> Path:
    return project / STATE_FOLDER / "server.json"


def _parse_store(store: str) -> URL:
    """Parse a database URL, and connect to PostgreSQL once; error messages never show the password."""
    try:
        url = make_url(store)
    except ArgumentError:
        url = None
    if url is None or url.get_backend_name() not in ("sqlite", "postgresql"):
        examples = "sqlite:///mlflow.db or postgresql://user:password@host/database"
        raise InputError(f"The store is not the URL of a supported database; write {examples}.")
    if url.get_backend_name() == "postgresql":
        require_connection(store, DATABASE_TIMEOUT)
    return url


def _require_free_port(port: int) -> None:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # also right after an earlier server has ended
        try:
            listener.bind((HOST, port))
        except OSError as error:
            raise InputError(
                f"Port {port} of {HOST} is not available ({error.strerror}); choose another one with --port."
            ) from None


def _start_process(project: Path, port: int, store: str) -> subprocess.Popen[bytes]:
    """Start ``mlflow server``; all users can read a command line, so a variable passes the store's URL."""
    artifacts = ["--serve-artifacts", "--artifacts-destination", str(project / "mlartifacts")]
    address = ["--host", HOST, "--port", str(port), "--workers", str(WORKERS)]
    variables = {"MLFLOW_BACKEND_STORE_URI": store, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with log_path(project).open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", *address, *artifacts],
            cwd=project,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={**os.environ, **variables},  # noqa: TID251  (MLflow's variables, not this project's)
        )


def _wait_until_healthy(server: Server, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while not _is_healthy(server.port):
        if process.poll() is not None or time.monotonic() > deadline:
            last_lines = "\n".join(log.read_text().splitlines()[-3:])
            raise InputError(f"MLflow did not start. Last lines of {log}:\n{last_lines}")
        time.sleep(0.1)


def _is_healthy(port: int) -> bool:
    try:
        connection = http.client.HTTPConnection(HOST, port, timeout=5)
        connection.request("GET", "/health")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False


def _end_processes(server: Server) -> None:
    """Terminate the server's process group, and after a timeout kill it."""
    for signal_number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal_number)
        deadline = time.monotonic() + STOP_TIMEOUT
        while _list_processes(server) and time.monotonic() < deadline:
            time.sleep(0.1)


def _list_processes(server: Server) -> list[psutil.Process]:
    """List the running processes of the server's session.

    The list is empty if the pid belongs to another process now: one with another start time.
    """
    processes = [process for process in psutil.process_iter(["status"]) if _read_session(process.pid) == server.pid]
    leaders = [process for process in processes if process.pid == server.pid]
    if any(abs(process.create_time() - server.started) > 1 for process in leaders):
        return []
    return [process for process in processes if process.info["status"] != psutil.STATUS_ZOMBIE]


def _read_session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except (ProcessLookupError, PermissionError):
        return None
