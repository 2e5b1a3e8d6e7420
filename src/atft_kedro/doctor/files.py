"""What is found on disk: room, folders that can be written, the ML dataset and the panel."""

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

import polars as pl

from ..guard.calendars import count_sessions, current_day
from ..guard.keys import RecencyParams
from ..panel.store import AGAIN, HEADER, PanelHeader
from ..schema import DATE
from .packages import Check, list_some, show

LEAST_DISK, NO_DISK = 10.0, 1.0  # GB; the wide features of a whole market are 7, their panel 4
TAIL = 16 << 20  # bytes; a parquet file ends with what describes all of it


def check_disk(folders: Iterable[Path]) -> Check:
    """Look how much room is left on the fullest disk that a run writes to."""
    places = {place.stat().st_dev: place for place in map(_find_existing, folders)}
    free, place = min((shutil.disk_usage(place).free / 1e9, show(place)) for place in places.values())
    found = f"{free:.1f} GB free at {place}"
    if free >= LEAST_DISK:
        return Check("disk", "ok", found)
    advice = "make room, or put data elsewhere: --params data_root=DIR, and TMPDIR for what is only in passing"
    return Check("disk", "error" if free < NO_DISK else "warn", found, advice)


def check_folders(folders: Iterable[Path]) -> Check:
    """Try to write to each folder, or to where it would be made."""
    wanted = {_find_existing(folder) for folder in folders}
    refused = [f"{show(place)} ({why})" for place in sorted(wanted) if (why := _try_writing(place))]
    if refused:
        advice = "make it a folder that you may write to (chmod u+rwx), or --params data_root=DIR"
        return Check("folders", "error", f"cannot be written: {list_some(refused)}", advice)
    return Check("folders", "ok", f"{len(wanted)} can be written")


def _try_writing(folder: Path) -> str | None:
    """Write a file without a name, which nobody else sees, and say why that fails."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return None
    except OSError as error:
        return error.strerror or str(error)


def _find_existing(path: Path) -> Path:
    """Find the path or the nearest folder above it that there is; below a folder that is shut there is nothing."""
    return next(place for place in (path, *path.parents) if os.access(place, os.F_OK))


def check_data(name: str, path: Path, is_own: bool, advice: str) -> Check:
    """Say which file there is; where there is none, it is an error if nobody makes it but the user."""
    if not path.exists():
        return Check(name, "error" if is_own else "warn", f"{show(path)} does not exist", advice)
    written = timedelta(seconds=round(time.time() - path.stat().st_mtime))
    known = f", {hash_end(path)}" if path.is_file() else ""
    return Check(name, "ok", f"{show(path)}, written {written} ago{known}")


def check_days(table: pl.LazyFrame, recency: RecencyParams, most: int | None) -> Check:
    """Describe the ML dataset's days; they may be ``most`` trading days old, None: any."""
    rows, first, last = table.select(pl.len(), pl.min(DATE).alias("first"), pl.max(DATE).alias("last")).collect().row(0)
    if rows == 0:
        return Check("days", "error", "the ML dataset has no rows", "make it again, or name another")
    found = f"{rows:,} rows from {first} to {last}"
    today = current_day(recency.calendar, recency.time_zone)
    if most is None or last >= today:
        return Check("days", "ok", found)
    age = count_sessions(recency.calendar, last, today)
    if age <= most:
        return Check("days", "ok", f"{found}, {age} trading days old")
    advice = f"load newer prices: predict refuses what is more than {most} days old (predict.max_age_days)"
    return Check("days", "warn", f"{found}, {age} trading days old", advice)


def hash_end(path: Path) -> str:
    """Hash a file's size and end: of parquet that is every column chunk's place, size and extremes."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(size - TAIL, 0))
        return hashlib.sha256(f"{size} ".encode() + file.read()).hexdigest()[:16]


def check_panel(folder: Path) -> Check:
    """Say which panel there is, and whether its files are as long as they were written."""
    header = PanelHeader.model_validate_json((folder / HEADER).read_text())
    if wrong := header.find_damaged(folder):
        return Check("panel", "error", f"cut off or gone: {list_some(wrong)}", AGAIN)
    days, stocks = len(header.metadata.days), len(header.metadata.codes)
    return Check("panel", "ok", f"{header.identity}: {days:,} days, {stocks:,} stocks, to {header.metadata.days[-1]}")
