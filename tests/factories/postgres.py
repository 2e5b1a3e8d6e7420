"""A real PostgreSQL server for a test."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

PASSWORD = f"open-{os.getpid()}-sesame"  # unique per test process: tests search all command lines for it
SECONDS = 60
TRIES = 5


@contextmanager
def running_postgres(folder: Path) -> Iterator[str]:
    """Run a server with an empty database on a free port, and yield its URL."""
    programs = _find_programs()
    with tempfile.TemporaryDirectory(prefix="postgres-") as home:
        owner = _own(Path(home))
        _make_cluster(programs, home, owner)
        server, address = _start(programs, home, owner, folder / "postgres.log")
        try:
            yield address.replace("postgresql", "postgresql+psycopg")
        finally:
            server.send_signal(signal.SIGINT)  # closes every connection and ends
            server.wait(SECONDS)


def _find_programs() -> Path:
    """Find the server's programs on the path, or in Debian's folder."""
    found = shutil.which("postgres")
    folders = [Path(found).resolve().parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not folders:
        pytest.skip("needs PostgreSQL")
    return folders[-1]


def _own(home: Path) -> dict[str, Any]:
    """Give the folder to the user postgres if this is root, as which PostgreSQL refuses to run."""
    if os.getuid() != 0:
        return {}
    shutil.chown(home, "postgres", "postgres")
    return {"user": "postgres", "group": "postgres", "extra_groups": []}


def _make_cluster(programs: Path, home: str, owner: dict[str, Any]) -> None:
    secret = Path(home, "password")
    secret.write_text(PASSWORD)
    words = ["--auth=scram-sha-256", "--username=atft", f"--pwfile={secret}", "--encoding=UTF8", "--no-sync"]
    making = [programs / "initdb", f"{home}/data", *words]
    done = subprocess.run(making, cwd=home, capture_output=True, text=True, check=False, **owner)
    assert done.returncode == 0, done.stdout + done.stderr


def _start(programs: Path, home: str, owner: dict[str, Any], log: Path) -> tuple[subprocess.Popen[bytes], str]:
    """Start the server; try another port if another process has taken it."""
    for _ in range(TRIES):
        port = find_free_port()
        words = ["-D", f"{home}/data", "-h", "127.0.0.1", "-p", str(port), "-k", "", "-F"]
        with log.open("ab") as file:
            server = subprocess.Popen([programs / "postgres", *words], cwd=home, stdout=file, stderr=file, **owner)
        address = f"postgresql://atft:{PASSWORD}@127.0.0.1:{port}/postgres"
        if _answers(server, address):
            return server, address
    raise RuntimeError(f"PostgreSQL does not start:\n{log.read_text()}")


def _answers(server: subprocess.Popen[bytes], address: str) -> bool:
    """Wait until the server accepts connections or has ended."""
    deadline = time.monotonic() + SECONDS
    while server.poll() is None and time.monotonic() < deadline:
        try:
            psycopg.connect(address).close()
        except psycopg.OperationalError:
            time.sleep(0.1)
        else:
            return True
    server.kill()
    server.wait()
    return False


def find_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
