"""Checks of the MLflow tracking store: a SQLite file, a database or a server."""

import http.client
import math
import sqlite3
import urllib.error
import urllib.request
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

from ..checks import CheckResult
from ..params import InputError
from ..services.database_url import hide_password, is_url, require_connection
from .files import relative_path

TIMEOUT = 3.0  # seconds to wait for an answer
NAME = "tracking"
START_SERVER = (
    "start a server here with kedro atft mlflow up, or set another server.mlflow_tracking_uri in conf/*/mlflow.yml"
)


def check_tracking(uri: str) -> CheckResult:
    """Check the tracking store without creating anything."""
    parts, path = urlsplit(uri), find_local_path(uri)
    if parts.scheme in {"http", "https"}:
        address = uri.partition("://")[2].rpartition("@")[2]  # without user and password
        return check_server(f"{parts.scheme}://{address.rstrip('/')}")
    if parts.scheme == "sqlite" and path is not None:
        return check_sqlite(path)
    if path is not None:
        advice = "server.mlflow_tracking_uri: sqlite:///mlflow.db in conf/*/mlflow.yml"
        return CheckResult.error(NAME, f"{uri} is a folder, and MLflow no longer writes to one", advice)
    if parts.scheme.partition("+")[0] in {"postgresql", "mysql"}:
        return check_database(uri)
    return CheckResult.ok(NAME, f"{parts.scheme or uri}: not checked")


def find_local_path(uri: str) -> Path | None:
    """Return the file or folder of a tracking URI; None for a server or database."""
    parts = urlsplit(uri)
    if parts.scheme == "sqlite":
        return Path(uri.removeprefix("sqlite:///"))
    is_folder = parts.scheme in {"", "file"} and not uri.startswith("databricks")
    return Path(parts.path) if is_folder else None


def check_sqlite(path: Path) -> CheckResult:
    """Open MLflow's SQLite file read-only and count its runs."""
    if not path.exists():
        return CheckResult.ok(NAME, f"{path.name} is created by the first training")
    shown_path = relative_path(path)
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=TIMEOUT)) as store:
            (runs,) = store.execute("select count(*) from runs").fetchone()
    except sqlite3.Error as error:
        return CheckResult.error(NAME, f"{shown_path} is not an MLflow store: {error}", f"move {shown_path} away")
    return CheckResult.ok(NAME, f"{path.name} is readable; runs: {runs}")


def check_database(url: str) -> CheckResult:
    """Connect to a database server; messages hide its password."""
    if not is_url(url):
        return CheckResult.error(NAME, "server.mlflow_tracking_uri is not a database URL", "correct conf/*/mlflow.yml")
    try:
        require_connection(url, math.ceil(TIMEOUT))
    except InputError as error:
        return CheckResult.error(NAME, str(error), START_SERVER)
    return CheckResult.ok(NAME, f"{hide_password(url)} answers")


def check_server(address: str) -> CheckResult:
    """Request the health page of a tracking server."""
    try:
        with urllib.request.urlopen(f"{address}/health", timeout=TIMEOUT):
            return CheckResult.ok(NAME, f"{address} answers")
    except urllib.error.HTTPError as error:
        message = f"{address} answers {error.code} {error.reason}: it may not be an MLflow server"
        return (CheckResult.error if error.code >= 500 else CheckResult.warn)(NAME, message, START_SERVER)
    except (OSError, http.client.HTTPException) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        return CheckResult.error(NAME, f"{address} does not answer: {reason}", START_SERVER)
