"""Test the checks of Python and the installed packages."""

from importlib.metadata import version
from pathlib import Path

from atft_kedro.doctor.packages import check_lock, check_packages, check_python


def test_an_unsupported_python_is_an_error() -> None:
    assert check_python(">=3.11").severity == "ok"
    assert check_python(">=3.99").severity == "error"
    assert "needs >=3.99" in check_python(">=3.99").message


def test_missing_and_unsuitable_packages_are_listed() -> None:
    required = ["polars<1", "Torch>=2", "nosuchpackage>=3", 'absent; extra == "dev"', 'other; sys_platform == "plan9"']

    check = check_packages(required)

    assert check.severity == "error"
    assert check.message == f"polars {version('polars')}, needs <1; nosuchpackage is missing, needs >=3"
    assert check_packages(["polars>=1"]).severity == "ok"


def test_only_installed_versions_are_compared_with_the_lock(tmp_path: Path) -> None:
    lock, torch_version = tmp_path / "constraints.txt", version("torch").partition("+")[0]
    lines = ["# locked", f"torch=={torch_version}", "rich==1.0  # old", "absent==3", "--no-binary x"]
    lock.write_text("\n".join(lines))
    different = check_lock(lock, ["torch", "rich"])
    lock.write_text(f"torch=={torch_version}")

    assert different.severity == "warn"
    assert different.message == f"1 differ: rich {version('rich')}, locked ==1.0"
    assert check_lock(lock, ["torch"]).severity == "ok"
    assert check_lock(lock, ["torch", "rich"]).message == "constraints.txt lacks rich"
    assert check_lock(tmp_path / "none.txt", []).severity == "warn"
