"""Uncommitted code, trainings that died, a store that is gone or never answers: real ones, each named."""

import json
import os
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from atft_kedro.doctor.project import BEGINNING, PATIENCE, check_git, check_runs, check_tracking
from atft_kedro.training.runs import Runs


def test_code_that_is_in_no_commit_is_named(tmp_path: Path) -> None:
    def git(*words: str) -> None:
        subprocess.run(["git", "-C", tmp_path, "-c", "user.name=a", "-c", "user.email=a@b", *words], check=True)

    without = check_git(tmp_path)
    git("init", "--quiet")
    unborn = check_git(tmp_path)
    git("commit", "--quiet", "--allow-empty", "--message", "first")
    clean = check_git(tmp_path)
    (tmp_path / "new.py").touch()
    dirty = check_git(tmp_path)

    assert [check.state for check in (without, unborn, clean, dirty)] == ["warn", "warn", "ok", "warn"]
    assert "not a git repository" in without.found
    assert "1 files changed" in dirty.found


def _begin(runs: Runs, **told: object) -> Path:
    folder = runs.begin({"n": len(runs.names())})
    usual = {"state": "done", "seed": 7, "phase": "one", "epoch": 1, "epochs_of_phase": 2, "steps": 5, "total_steps": 9}
    rest = {"best": 0.1, "seconds_left": 1.0, "host": os.uname().nodename, "time": time.time(), "validation": {}}
    (folder / "heartbeat.json").write_text(json.dumps({**usual, **rest, "pid": os.getpid(), **told}))
    return folder


def test_trainings_that_nobody_goes_on_with_are_named(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    runs = Runs(tmp_path, commit="", is_dirty=False)
    none = check_runs(runs)
    _begin(runs)
    _begin(runs, state="training")
    healthy = check_runs(runs)
    dead = _begin(runs, state="training", pid=ended.pid)
    silent, starting = runs.begin({"a": 1}), runs.begin({"b": 1})
    before = time.time() - 2 * BEGINNING
    os.utime(silent / "manifest.json", (before, before))

    check = check_runs(runs)

    assert [each.state for each in (none, healthy, check)] == ["ok", "ok", "warn"]
    assert f"{dead.name} died after step 5 of 9" in check.found
    assert f"{silent.name} never made a step" in check.found
    assert starting.name not in check.found
    assert f"training.resume={silent.name} goes on" in check.advice


def test_a_run_that_cannot_be_read_is_named_beside_those_that_died(tmp_path: Path) -> None:
    runs = Runs(tmp_path, commit="", is_dirty=False)
    cut, dead = _begin(runs), _begin(runs, state="training", host="elsewhere", time=0.0)
    (cut / "manifest.json").write_text('{"n": ')

    check = check_runs(runs)

    assert f"{cut / 'manifest.json'} is not readable as JSON" in check.found
    assert f"{dead.name} died after step 5 of 9" in check.found


def test_a_latest_run_that_is_gone_is_named(tmp_path: Path) -> None:
    runs = Runs(tmp_path, commit="", is_dirty=False)
    kept = _begin(runs)
    runs.point_at("gone")

    check = check_runs(runs)

    assert check.state == "warn"
    assert "latest points at no run" in check.found
    assert f"ln -sfn {kept.name}" in check.advice


def _free_port() -> int:
    with closing(socket.socket()) as asked:
        asked.bind(("127.0.0.1", 0))
        return int(asked.getsockname()[1])


@contextmanager
def _server(status: int) -> Iterator[str]:
    """Serve an MLflow that gives /health this status, and anything else 404."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/sub/health" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}/sub/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_tracking_server_says_how_it_is() -> None:
    states = {}
    for status in (200, 404, 503):
        with _server(status) as place:
            states[status] = check_tracking(f"http://{place}").state

    assert states == {200: "ok", 404: "warn", 503: "error"}


@pytest.mark.parametrize("kind", ["http", "postgresql+psycopg"])
def test_a_dead_server_is_named_without_its_password(kind: str) -> None:
    port = _free_port()

    check = check_tracking(f"{kind}://me:secret@127.0.0.1:{port}/place")

    assert check.state == "error"
    assert f"127.0.0.1:{port}/place does not answer" in check.found
    assert "secret" not in check.found


def test_a_server_that_never_answers_is_given_up_soon() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        started = time.monotonic()
        check = check_tracking(f"http://127.0.0.1:{silent.getsockname()[1]}")

    assert "does not answer: timed out" in check.found
    assert time.monotonic() - started < PATIENCE + 1


def test_a_store_is_opened_and_never_made(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    missing = check_tracking(f"sqlite:///{path}")
    was_made = path.exists()
    with closing(sqlite3.connect(path)) as store:
        store.execute("create table runs (status)")
        store.execute("insert into runs values ('FINISHED')")
        store.commit()
    good = check_tracking(f"sqlite:///{path}")
    path.write_bytes(b"no database" * 500)
    bad = check_tracking(f"sqlite:///{path}")

    assert [check.state for check in (missing, good, bad)] == ["ok", "ok", "error"]
    assert not was_made
    assert good.found.endswith("runs: 1")
    assert "not a database" in bad.found


def test_a_folder_is_no_store_any_more() -> None:
    assert check_tracking("mlruns").state == check_tracking("file:///tmp/mlruns").state == "error"
    assert check_tracking("databricks").state == "ok"
