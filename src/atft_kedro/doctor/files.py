"""Checks of disks, folders, the ML dataset and the panel."""

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

import polars as pl

from ..checks import CheckResult
from ..files import parse_model, read_json
from ..guard.calendars import count_sessions, current_day
from ..guard.keys import RecencyParams
from ..panel.store import HEADER, PanelHeader, advise_new_panel
from ..params import list_names
from ..schema import DATE

LOW_DISK_GB = 10.0  # wide features of 4.7 million observations take 7 GB, and their panel 4 GB
FULL_DISK_GB = 1.0
HASHED_BYTES = 16 << 20  # at the end of a file; a parquet file has its metadata there
MAX_LISTED = 4  # names in a message


def relative_path(path: Path) -> str:
    """Format a path; relative to the current folder if it is inside."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def check_disk(folders: Iterable[Path]) -> CheckResult:
    """Check the free space of all disks that a run writes to; report the one with the least."""
    disks = {path.stat().st_dev: path for path in map(_find_existing, folders)}
    free, path = min((shutil.disk_usage(path).free / 1e9, relative_path(path)) for path in disks.values())
    message = f"{free:.1f} GB free at {path}"
    if free >= LOW_DISK_GB:
        return CheckResult.ok("disk", message)
    advice = "free some space, or use another disk: --params data_root=DIR for data, TMPDIR for temporary files"
    return (CheckResult.error if free < FULL_DISK_GB else CheckResult.warn)("disk", message, advice)


def check_folders(folders: Iterable[Path]) -> CheckResult:
    """Try to write to each folder, or to the folder in which it would be created."""
    existing = {_find_existing(folder) for folder in folders}
    unwritable = [
        f"{relative_path(folder)} ({error})" for folder in sorted(existing) if (error := _find_write_error(folder))
    ]
    if unwritable:
        advice = "give yourself write permission (chmod u+rwx), or choose another folder: --params data_root=DIR"
        return CheckResult.error("folders", f"cannot be written: {list_names(unwritable, MAX_LISTED, '; ')}", advice)
    return CheckResult.ok("folders", f"{len(existing)} can be written")


def _find_write_error(folder: Path) -> str | None:
    """Try to create a temporary file in the folder; return the system's error, None if it works."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return None
    except OSError as error:
        return error.strerror or str(error)


def _find_existing(path: Path) -> Path:
    """Return the path or its nearest existing parent; what cannot be read counts as missing."""
    return next(parent for parent in (path, *path.parents) if os.access(parent, os.F_OK))


def check_data(name: str, path: Path, is_user_provided: bool, advice: str) -> CheckResult:
    """Check that data exist; it is an error if only the user can provide missing data."""
    if not path.exists():
        report = CheckResult.error if is_user_provided else CheckResult.warn
        return report(name, f"{relative_path(path)} does not exist", advice)
    age = timedelta(seconds=round(time.time() - path.stat().st_mtime))
    digest = f", hash {hash_size_and_end(path)}" if path.is_file() else ""
    return CheckResult.ok(name, f"{relative_path(path)}, written {age} ago{digest}")


def check_days(table: pl.LazyFrame, recency: RecencyParams, max_age_days: int | None) -> CheckResult:
    """Check the ML dataset's days; ``max_age_days`` are trading days, None allows any age."""
    rows, first, last = table.select(pl.len(), pl.min(DATE).alias("first"), pl.max(DATE).alias("last")).collect().row(0)
    if rows == 0:
        return CheckResult.error("days", "the ML dataset has no rows", "create it again, or choose another")
    message = f"{rows:,} rows from {first} to {last}"
    today = current_day(recency.calendar, recency.time_zone)
    if max_age_days is None or last >= today:
        return CheckResult.ok("days", message)
    age = count_sessions(recency.calendar, last, today)
    message = f"{message}, {age} trading days old"
    if age <= max_age_days:
        return CheckResult.ok("days", message)
    limit = f"{max_age_days} trading days old (predict.max_age_days)"
    advice = f"load newer prices: predict refuses data that is more than {limit}"
    return CheckResult.warn("days", message, advice)


def hash_size_and_end(path: Path) -> str:
    """Hash a file's size and its last bytes; reading all of a large file would take too long."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(size - HASHED_BYTES, 0))
        return hashlib.sha256(f"{size} ".encode() + file.read()).hexdigest()[:16]


def check_panel(folder: Path) -> CheckResult:
    """Check that the panel's files have the length that its header states."""
    header = parse_model(read_json(folder / HEADER), PanelHeader, folder / HEADER)
    if damaged := header.find_damaged(folder):
        return CheckResult.error(
            "panel", f"cut off or missing: {list_names(damaged, MAX_LISTED, '; ')}", advise_new_panel()
        )
    days, stocks = header.metadata.days, len(header.metadata.codes)
    return CheckResult.ok("panel", f"{header.identity}: {len(days):,} days, {stocks:,} stocks, to {days[-1]}")
