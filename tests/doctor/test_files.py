"""Test the checks of disks, folders and data files."""

import os
import shutil
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from atft_kedro.checks import CheckResult
from atft_kedro.doctor.files import check_data, check_days, check_disk, check_folders, check_panel, hash_size_and_end
from atft_kedro.guard.keys import RecencyParams
from atft_kedro.panel.store import read_header
from factories.datasets import make_panel
from factories.params import make_params

GB = 1_000_000_000


def test_the_fullest_disk_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage, severities = shutil.disk_usage(tmp_path), []
    for free_gb in (20, 5, 0.5):
        monkeypatch.setattr(shutil, "disk_usage", {tmp_path: usage._replace(free=int(free_gb * GB))}.get)
        severities.append(check_disk([tmp_path / "not" / "yet"]).severity)

    assert severities == ["ok", "warn", "error"]


def test_an_unwritable_folder_is_listed_once(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    folders = [tmp_path / "made" / "later", Path("/proc/self/x/y"), Path("/proc/self/z"), tmp_path / "file" / "below"]

    check = check_folders(folders)

    assert check.severity == "error"
    assert check.message.count("/proc/self (") == 1
    assert f"{tmp_path}/file (Not a directory)" in check.message
    assert check_folders(folders[:1]).severity == "ok"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_folders_without_write_permission_are_listed(tmp_path: Path) -> None:
    for name, mode in (("read_only", 0o500), ("shut", 0o000)):
        (tmp_path / name / "inner").mkdir(parents=True)
        (tmp_path / name).chmod(mode)
    check = "print(check_folders([Path('read_only/a'), Path('shut/inner/b')]).message)"
    code = f"from pathlib import Path; from atft_kedro.doctor.files import check_folders; {check}"
    rights = "-dac_override,-dac_read_search"
    without_rights = ["setpriv", f"--bounding-set={rights}", f"--inh-caps={rights}"] if os.geteuid() == 0 else []
    if without_rights and (not shutil.which("setpriv") or subprocess.call([*without_rights, "true"])):
        pytest.skip("needs setpriv, with which root drops its rights")

    output = subprocess.check_output([*without_rights, sys.executable, "-c", code], cwd=tmp_path, text=True)

    assert output.strip() == "cannot be written: read_only (Permission denied); shut (Permission denied)"


def _write_dataset(path: Path, last: date, value: float = 0.5) -> Path:
    days = [last - timedelta(days=7), last]
    pl.DataFrame({"date": days, "code": ["a", "b"], "x": [value, 1.0]}).write_parquet(path)
    return path


def test_data_is_reported_with_its_hash_and_missing_data_by_its_path(tmp_path: Path) -> None:
    path, missing = _write_dataset(tmp_path / "made.parquet", date(2020, 1, 31)), tmp_path / "missing"

    existing = check_data("prices", path, True, "")
    users, created = (check_data("prices", missing, is_user_provided, "do this") for is_user_provided in (True, False))

    assert existing.severity == "ok"
    assert existing.message.startswith(f"{path}, written 0:0")
    assert existing.message.endswith(hash_size_and_end(path))
    assert users == CheckResult.error("prices", f"{missing} does not exist", "do this")
    assert created.severity == "warn"
    assert check_data("prices", tmp_path, True, "").severity == "ok"


def test_old_days_are_reported_if_their_age_matters(tmp_path: Path) -> None:
    old = pl.scan_parquet(_write_dataset(tmp_path / "old.parquet", date(2020, 1, 31)))
    new = pl.scan_parquet(_write_dataset(tmp_path / "new.parquet", date.today() - timedelta(days=7)))

    simulated, aged = check_days(old, make_params(RecencyParams), None), check_days(old, make_params(RecencyParams), 3)

    assert simulated == CheckResult.ok("days", "2 rows from 2020-01-24 to 2020-01-31")
    assert aged.severity == "warn"
    assert "max_age_days" in aged.advice[0]
    assert check_days(new, make_params(RecencyParams), 5).message.endswith(", 5 trading days old")
    assert [check_days(new, make_params(RecencyParams), max_age).severity for max_age in (4, 5)] == ["warn", "ok"]


def test_a_dataset_without_rows_is_an_error() -> None:
    assert check_days(pl.LazyFrame(schema={"date": pl.Date}), make_params(RecencyParams), None).severity == "error"


def test_the_hash_depends_on_the_content(tmp_path: Path) -> None:
    one, same, other = (
        hash_size_and_end(_write_dataset(tmp_path / name, date(2020, 1, 31), value))
        for name, value in (("a", 0.5), ("b", 0.5), ("c", 0.25))
    )

    assert one == same
    assert one != other


def test_a_truncated_panel_is_reported(tmp_path: Path, ml_dataset: pl.DataFrame) -> None:
    panel = make_panel(ml_dataset, tmp_path / "panel")
    whole = check_panel(tmp_path / "panel")
    files = tmp_path / "panel" / read_header(tmp_path / "panel").folder
    os.truncate(files / "targets.npy", 100)
    (files / "row_of.npy").unlink()
    cut = check_panel(tmp_path / "panel")

    assert whole.severity == "ok"
    assert panel.identity in whole.message
    assert cut.severity == "error"
    assert {"targets.npy", "row_of.npy"} <= set(cut.message.replace(";", "").split())
