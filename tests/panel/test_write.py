"""A panel that cannot be written: the older one stays, and the error has the reason."""

import resource
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from atft_kedro.panel.store import HEADER, Panel, open_panel
from atft_kedro.panel.write import PanelRows, write_panel
from atft_kedro.params import InputError
from factories.datasets import batches_of, plan_of


def test_a_failure_in_the_middle_leaves_the_older_panel(panel: Panel, tmp_path: Path) -> None:
    def broken() -> Iterator[PanelRows]:
        yield batches_of(panel)[0]
        raise RuntimeError("the dataset's disk failed")

    with pytest.raises(RuntimeError):
        write_panel(tmp_path / "panel", replace(plan_of(panel, []), batches=broken()))

    assert open_panel(tmp_path / "panel").identity == panel.identity
    assert sorted(path.name for path in tmp_path.iterdir()) == ["panel"]


def test_a_source_that_fails_is_not_called_a_full_disk(panel: Panel, tmp_path: Path) -> None:
    def lost() -> Iterator[PanelRows]:
        yield batches_of(panel)[0]
        raise FileNotFoundError("ml_dataset.parquet")

    with pytest.raises(FileNotFoundError, match="ml_dataset"):
        write_panel(tmp_path / "panel", replace(plan_of(panel, []), batches=lost()))


def test_a_failed_rename_leaves_the_older_panel(panel: Panel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace_file = Path.replace

    def fails(self: Path, target: Path) -> Path:
        if target.name == HEADER:
            raise OSError("the disk failed")
        return replace_file(self, target)

    monkeypatch.setattr(Path, "replace", fails)
    with pytest.raises(OSError, match="the disk failed"):
        write_panel(tmp_path / "panel", plan_of(panel, batches_of(panel)))

    assert open_panel(tmp_path / "panel").identity == panel.identity
    assert len(list((tmp_path / "panel").iterdir())) == 2


def test_a_file_size_limit_is_reported_plainly(panel: Panel, tmp_path: Path) -> None:
    """The kernel's own limit, in place of a disk that fills up."""
    draft = plan_of(panel, batches_of(panel))
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, old[1]))
        with pytest.raises(
            InputError,
            match="new/.* cannot be written: File too large; .* GB are free. An earlier version is unchanged",
        ):
            write_panel(tmp_path / "new", draft)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["panel"]


def test_a_full_disk_is_reported_before_any_work(panel: Panel, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=512k", "none", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a small disk")
    try:
        with pytest.raises(InputError, match="No space left on device"):
            write_panel(disk / "panel", plan_of(panel, batches_of(panel)))

        assert list(disk.iterdir()) == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)
