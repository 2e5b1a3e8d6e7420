"""Test the checks of the tracking store with real servers and files."""

import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from atft_kedro.doctor.tracking import TIMEOUT, check_tracking


def _free_port() -> int:
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def _server(status: int) -> Iterator[str]:
    """Serve ``status`` for /sub/health and 404 for other paths, as MLflow does."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/sub/health" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}/sub/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_tracking_servers_answer_decides() -> None:
    severities = {}
    for status in (200, 404, 503):
        with _server(status) as address:
            severities[status] = check_tracking(f"http://{address}").severity

    assert severities == {200: "ok", 404: "warn", 503: "error"}


@pytest.mark.parametrize("kind", ["http", "postgresql+psycopg"])
def test_a_dead_server_is_reported_without_its_password(kind: str) -> None:
    port = _free_port()

    check = check_tracking(f"{kind}://me:secret@127.0.0.1:{port}/place")

    assert check.severity == "error"
    assert f"127.0.0.1:{port}/place does not answer" in check.message
    assert "secret" not in check.message


def test_a_silent_server_times_out() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        started = time.monotonic()
        check = check_tracking(f"http://127.0.0.1:{silent.getsockname()[1]}")

    assert "does not answer: timed out" in check.message
    assert time.monotonic() - started < TIMEOUT + 1


def test_a_store_is_opened_but_never_created(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    missing = check_tracking(f"sqlite:///{path}")
    was_created = path.exists()
    with closing(sqlite3.connect(path)) as store:
        store.execute("create table runs (status)")
        store.execute("insert into runs values ('FINISHED')")
        store.commit()
    good = check_tracking(f"sqlite:///{path}")
    path.write_bytes(b"no database" * 500)
    bad = check_tracking(f"sqlite:///{path}")

    assert [check.severity for check in (missing, good, bad)] == ["ok", "ok", "error"]
    assert not was_created
    assert good.message.endswith("runs: 1")
    assert "not a database" in bad.message


def test_a_folder_is_refused_as_a_store() -> None:
    assert check_tracking("mlruns").severity == check_tracking("file:///tmp/mlruns").severity == "error"
    assert check_tracking("databricks").severity == "ok"
