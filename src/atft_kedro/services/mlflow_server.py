"""The MLflow server in the background: started, found again, and ended with all its workers."""

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
from sqlalchemy import URL, create_engine, make_url
from sqlalchemy.exc import ArgumentError, OperationalError

from ..params import InputError, Params
from .database_url import hide

FOLDER = ".mlflow"  # beside the project's mlflow.db
HOST = "127.0.0.1"
WORKERS = 2
PATIENCE = 90.0  # seconds to come up, on a slow disk and with a database to make
FAREWELL = 15.0  # seconds to end requests that are going on


class Server(Params):
    """A server that was started here."""

    pid: int  # the leader of a session with all its processes
    started: float
    port: int
    store: str  # without its password

    @property
    def url(self) -> str:
        """Say where a browser finds it."""
        return f"http://{HOST}:{self.port}"


def start_server(project: Path, port: int, store: str) -> Server:
    """Start the server of a project's experiments, and wait until it answers."""
    running = find_server(project)
    if running is not None:
        raise InputError(f"MLflow is already up at {running.url} (store {running.store}).")
    url = _read_store(store)
    _require_free(port)
    (project / FOLDER).mkdir(mode=0o700, exist_ok=True)
    process = _spawn(project, port, url.render_as_string(hide_password=False))
    started, shown = psutil.Process(process.pid).create_time(), hide(store)
    server = Server(pid=process.pid, started=started, port=port, store=shown)
    try:
        _remember(project, server)
        _wait_until_it_answers(server, process, log_of(project))
    except BaseException:
        _end(server)
        raise
    return server


def find_server(project: Path) -> Server | None:
    """Find the server that was started here and lives; what a dead one left is swept away."""
    if not _state(project).exists():
        return None
    server = Server.model_validate_json(_state(project).read_text())
    if _processes(server):
        return server
    _state(project).unlink()
    return None


def end_server(project: Path) -> Server | None:
    """End the server that was started here, if it lives."""
    server = find_server(project)
    if server is not None:
        _end(server)
        _state(project).unlink()
    return server


def log_of(project: Path) -> Path:
    """Say where the server writes what it does."""
    return project / FOLDER / "server.log"


def _state(project: Path) -> Path:
    return project / FOLDER / "server.json"


def _remember(project: Path, server: Server) -> None:
    try:
        with _state(project).open("x") as file:
            file.write(server.model_dump_json(indent=2))
    except FileExistsError:
        raise InputError("MLflow is being started at this moment, by someone else.") from None


def _read_store(store: str) -> URL:
    """Read a database's URL, and refuse one that does not answer; what is wrong with it is said without it."""
    try:
        url = make_url(store)
    except ArgumentError:
        url = None
    if url is None or url.get_backend_name() not in ("sqlite", "postgresql"):
        kinds = "sqlite:///mlflow.db or postgresql://user:password@host/database"
        raise InputError(f"The store is no database that is known here; write {kinds}.")
    if url.get_backend_name() == "postgresql":
        _require_answer(url, hide(store))
    return url


def _require_answer(url: URL, shown: str) -> None:
    try:
        create_engine(url, connect_args={"connect_timeout": 10}).connect().close()
    except ModuleNotFoundError:
        install = "pip install 'atft-kedro[postgres]'"
        raise InputError(f"The store {shown} needs a driver that is not installed; psycopg is by {install}") from None
    except OperationalError as error:
        reason = str(error.orig).strip().splitlines()[0]
        raise InputError(f"The store {shown} does not answer: {reason}") from None


def _require_free(port: int) -> None:
    with socket.socket() as asked:
        asked.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # one that ended a moment ago is no obstacle
        try:
            asked.bind((HOST, port))
        except OSError as error:
            raise InputError(f"Port {port} of {HOST} cannot be had ({error.strerror}); choose another one.") from None


def _spawn(project: Path, port: int, store: str) -> subprocess.Popen[bytes]:
    """Start MLflow's own server; its store is in its environment, for a command line is seen by everyone."""
    artifacts = ["--serve-artifacts", "--artifacts-destination", str(project / "mlartifacts")]
    where = ["--host", HOST, "--port", str(port), "--workers", str(WORKERS)]
    own = {"MLFLOW_BACKEND_STORE_URI": store, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with log_of(project).open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", *where, *artifacts],
            cwd=project,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={**os.environ, **own},  # noqa: TID251  (MLflow's own, not this project's)
        )


def _wait_until_it_answers(server: Server, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while not _answers(server.port):
        if process.poll() is not None or time.monotonic() > deadline:
            last = "\n".join(log.read_text().splitlines()[-3:])
            raise InputError(f"MLflow does not come up; {log} ends with\n{last}")
        time.sleep(0.1)


def _answers(port: int) -> bool:
    try:
        asked = http.client.HTTPConnection(HOST, port, timeout=5)
        asked.request("GET", "/health")
        return asked.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False


def _end(server: Server) -> None:
    """Ask all its processes to end, and kill those that do not."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(server.pid, number)
        deadline = time.monotonic() + FAREWELL
        while _processes(server) and time.monotonic() < deadline:
            time.sleep(0.1)


def _processes(server: Server) -> list[psutil.Process]:
    """List its living processes. A number that another program has now is told by when that began."""
    alive = [each for each in psutil.process_iter(["status"]) if _session_of(each.pid) == server.pid]
    leaders = [each for each in alive if each.pid == server.pid]
    if any(abs(each.create_time() - server.started) > 1 for each in leaders):
        return []
    return [each for each in alive if each.info["status"] != psutil.STATUS_ZOMBIE]


def _session_of(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except (ProcessLookupError, PermissionError):
        return None
