"""What is found of the project's past: its commit, its trainings, and the server that tracks them."""

import http.client
import math
import sqlite3
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

from sqlalchemy import create_engine
from sqlalchemy.exc import SQLAlchemyError

from ..params import InputError
from ..services.database_url import hide, is_url
from ..training.run_status import read_manifest, read_status
from ..training.runs import HEARTBEAT, LATEST, MANIFEST, Runs
from .packages import Check, State, show

PATIENCE = 3.0  # seconds that a server has to answer
BEGINNING = 600.0  # seconds that a training may take to its first heartbeat
DEAD = "kedro atft mlflow up starts one here, server.mlflow_tracking_uri in conf/*/mlflow.yml names another"


def check_git(folder: Path) -> Check:
    """Say which commit this is, and whether all code is in it."""
    try:
        commit, changes = (_git(folder, *words) for words in (("rev-parse", "HEAD"), ("status", "--porcelain")))
    except FileNotFoundError:
        return Check("git", "warn", "git is not installed", "install it: runs note their commit")
    if commit.returncode != 0:
        said = (commit.stderr.strip().splitlines() or ["no commit"])[0]
        return Check("git", "warn", said, "git init && git add . && git commit: runs note their commit")
    found, changed = f"commit {commit.stdout[:7]}", len(changes.stdout.splitlines())
    if changed:
        advice = "commit: runs of uncommitted code cannot be made again"
        return Check("git", "warn", f"{found}, {changed} files changed since", advice)
    return Check("git", "ok", found)


def _git(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", "-C", folder, *words], capture_output=True, text=True, check=False)


def check_runs(runs: Runs) -> Check:
    """Look for trainings that nobody goes on with, and whether ``latest`` is one."""
    names, latest = runs.names(), runs.folder / LATEST
    ends, unreadable = _find_ends(runs)
    stale = {name: why for name, why in ends.items() if runs.is_free(name)}
    found, advice = [f"{len(names)}, of which stale: {len(stale)}"], []
    if unreadable:
        found += unreadable[:2]
        advice.append("move the runs that cannot be read out of the folder of runs")
    if stale:
        found += [f"{name} {why}" for name, why in stale.items()][:2]
        goes_on = f"kedro run --pipelines fit --params training.resume={next(iter(stale))} goes on"
        advice.append(f"{goes_on}, with the --env and parameters that it began with")
    if (names or latest.is_symlink()) and not (latest / MANIFEST).exists():
        found.append(f"{show(latest)} points at no run")
        advice.append(f"ln -sfn {names[-1]} {show(latest)}" if names else f"rm {show(latest)}")
    return Check("runs", "warn" if advice else "ok", "; ".join(found), "; ".join(advice))


def _find_ends(runs: Runs) -> tuple[dict[str, str], list[str]]:
    """Find how each run ended, the newest first; and why some cannot be read."""
    ends, unreadable = {}, []
    for name in reversed(runs.names()):
        try:
            read_manifest(runs.folder / name)
            if why := find_end(runs.folder / name):
                ends[name] = why
        except InputError as error:
            unreadable.append(str(error))
    return ends, unreadable


def find_end(folder: Path) -> str | None:
    """Say what a training came to that has neither finished nor was stopped, and is not alive."""
    if (folder / HEARTBEAT).exists():
        told = read_status(folder)
        return f"died after step {told.steps} of {told.total_steps}" if told.state == "dead" else None
    is_old = time.time() - (folder / MANIFEST).stat().st_mtime > BEGINNING
    return "never made a step" if is_old else None


def check_tracking(uri: str) -> Check:
    """Ask the experiment store whether it is there; nothing is made of it that is not."""
    parts, place = urlsplit(uri), find_place(uri)
    if parts.scheme in {"http", "https"}:
        place_of_it = uri.partition("://")[2].rpartition("@")[2]  # without the password
        return check_server(f"{parts.scheme}://{place_of_it.rstrip('/')}")
    if parts.scheme == "sqlite" and place is not None:
        return check_store(place)
    if place is not None:
        advice = "server.mlflow_tracking_uri: sqlite:///mlflow.db in conf/*/mlflow.yml"
        return Check("tracking", "error", f"{uri} is a folder, and MLflow no longer writes to one", advice)
    if parts.scheme.partition("+")[0] in {"postgresql", "mysql"}:
        return check_database(uri)
    return Check("tracking", "ok", f"{parts.scheme or uri}: not looked at")


def find_place(uri: str) -> Path | None:
    """Find the file or folder that MLflow writes to, where it is one of this machine."""
    parts = urlsplit(uri)
    if parts.scheme == "sqlite":
        return Path(uri.removeprefix("sqlite:///"))
    is_folder = parts.scheme in {"", "file"} and not uri.startswith("databricks")
    return Path(parts.path) if is_folder else None


def check_store(path: Path) -> Check:
    """Open MLflow's own file, to read."""
    if not path.exists():
        return Check("tracking", "ok", f"{path.name} is made by the first training")
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=PATIENCE)) as store:
            (runs,) = store.execute("select count(*) from runs").fetchone()
    except sqlite3.Error as error:
        return Check("tracking", "error", f"{show(path)} is no MLflow store: {error}", f"mv {show(path)} elsewhere")
    return Check("tracking", "ok", f"{path.name} answers; runs: {runs}")


def check_database(url: str) -> Check:
    """Connect to a database server, whose password nobody is shown."""
    if not is_url(url):
        return Check("tracking", "error", "server.mlflow_tracking_uri is no database URL", "mend conf/*/mlflow.yml")
    shown = hide(url)
    try:
        create_engine(url, connect_args={"connect_timeout": math.ceil(PATIENCE)}).connect().close()
    except (SQLAlchemyError, ImportError) as error:
        return Check("tracking", "error", f"{shown} does not answer: {str(error).splitlines()[0]}", DEAD)
    return Check("tracking", "ok", f"{shown} answers")


def check_server(address: str) -> Check:
    """Ask a tracking server how it is."""
    try:
        with urllib.request.urlopen(f"{address}/health", timeout=PATIENCE):
            return Check("tracking", "ok", f"{address} answers")
    except urllib.error.HTTPError as answer:
        state: State = "error" if answer.code >= 500 else "warn"
        return Check("tracking", state, f"{address} answers {answer.code} {answer.reason}: no MLflow server?", DEAD)
    except (OSError, http.client.HTTPException) as error:
        why = error.reason if isinstance(error, urllib.error.URLError) else error
        return Check("tracking", "error", f"{address} does not answer: {why}", DEAD)
