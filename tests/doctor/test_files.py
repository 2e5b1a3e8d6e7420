"""A full disk, a folder that cannot be written, data that is missing, old or cut off: each is named."""

import os
import shutil
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from atft_kedro.doctor.files import (
    check_data,
    check_days,
    check_disk,
    check_folders,
    check_panel,
    hash_end,
)
from atft_kedro.doctor.packages import Check
from atft_kedro.guard.keys import RecencyParams
from atft_kedro.panel.store import read_header
from factories.datasets import make_panel

GB = 1_000_000_000


def test_the_fullest_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, states = shutil.disk_usage(tmp_path), []
    for gigabytes in (20, 5, 0.5):
        left = whole._replace(free=int(gigabytes * GB))
        monkeypatch.setattr(shutil, "disk_usage", {tmp_path: left}.get)
        states.append(check_disk([tmp_path / "not" / "yet"]).state)

    assert states == ["ok", "warn", "error"]


def test_a_folder_that_cannot_be_written_is_named_once(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    places = [tmp_path / "made" / "later", Path("/proc/self/x/y"), Path("/proc/self/z"), tmp_path / "file" / "below"]

    check = check_folders(places)

    assert check.state == "error"
    assert check.found.count("/proc/self (") == 1
    assert f"{tmp_path}/file (Not a directory)" in check.found
    assert check_folders(places[:1]).state == "ok"
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_folders_without_the_right_to_write_are_named(tmp_path: Path) -> None:
    for name, mode in (("read_only", 0o500), ("shut", 0o000)):
        (tmp_path / name / "inner").mkdir(parents=True)
        (tmp_path / name).chmod(mode)
    look = "print(check_folders([Path('read_only/a'), Path('shut/inner/b')]).found)"
    code = f"from pathlib import Path; from atft_kedro.doctor.files import check_folders; {look}"
    rights = "-dac_override,-dac_read_search"
    as_anyone = ["setpriv", f"--bounding-set={rights}", f"--inh-caps={rights}"] if os.geteuid() == 0 else []
    if as_anyone and (not shutil.which("setpriv") or subprocess.run([*as_anyone, "true"], check=False).returncode):
        pytest.skip("this root cannot give its rights away")

    said = subprocess.check_output([*as_anyone, sys.executable, "-c", code], cwd=tmp_path, text=True)

    assert said.strip() == "cannot be written: read_only (Permission denied); shut (Permission denied)"


def _write_dataset(path: Path, last: date, value: float = 0.5) -> Path:
    days = [last - timedelta(days=7), last]
    pl.DataFrame({"date": days, "code": ["a", "b"], "x": [value, 1.0]}).write_parquet(path)
    return path


def test_data_is_told_with_a_hash_and_named_where_it_is_missing(tmp_path: Path) -> None:
    path, gone = _write_dataset(tmp_path / "made.parquet", date(2020, 1, 31)), tmp_path / "gone"

    there = check_data("prices", path, True, "")
    own, made = (check_data("prices", gone, is_own, "do this") for is_own in (True, False))

    assert there.state == "ok"
    assert there.found.startswith(f"{path}, written 0:0")
    assert there.found.endswith(hash_end(path))
    assert own == Check("prices", "error", f"{gone} does not exist", "do this")
    assert made.state == "warn"
    assert check_data("prices", tmp_path, True, "").state == "ok"


def test_days_that_are_too_old_are_named_where_their_age_matters(tmp_path: Path) -> None:
    old = pl.scan_parquet(_write_dataset(tmp_path / "old.parquet", date(2020, 1, 31)))
    new = pl.scan_parquet(_write_dataset(tmp_path / "new.parquet", date.today() - timedelta(days=7)))

    simulated, aged = check_days(old, RecencyParams(), None), check_days(old, RecencyParams(), 3)

    assert simulated == Check("days", "ok", "2 rows from 2020-01-24 to 2020-01-31")
    assert aged.state == "warn"
    assert "max_age_days" in aged.advice
    assert check_days(new, RecencyParams(), 5).found.endswith(", 5 trading days old")
    assert [check_days(new, RecencyParams(), most).state for most in (4, 5)] == ["warn", "ok"]


def test_a_dataset_without_rows_is_an_error() -> None:
    assert check_days(pl.LazyFrame(schema={"date": pl.Date}), RecencyParams(), None).state == "error"


def test_the_hash_follows_what_the_file_holds(tmp_path: Path) -> None:
    one, same, other = (
        hash_end(_write_dataset(tmp_path / name, date(2020, 1, 31), value))
        for name, value in (("a", 0.5), ("b", 0.5), ("c", 0.25))
    )

    assert one == same
    assert one != other


def test_a_panel_that_was_cut_off_is_named(tmp_path: Path, ml_dataset: pl.DataFrame) -> None:
    panel = make_panel(ml_dataset, tmp_path / "panel")
    whole = check_panel(tmp_path / "panel")
    files = tmp_path / "panel" / read_header(tmp_path / "panel").folder
    os.truncate(files / "targets.npy", 100)
    (files / "row_of.npy").unlink()
    cut = check_panel(tmp_path / "panel")

    assert whole.state == "ok"
    assert panel.identity in whole.found
    assert cut.state == "error"
    assert {"targets.npy", "row_of.npy"} <= set(cut.found.replace(";", "").split())
