"""The worst of many checks counts; versions that are not those that are wanted are named."""

from importlib.metadata import version
from pathlib import Path

from atft_kedro.doctor.packages import Check, check_lock, check_packages, check_python, find_worst


def test_the_worst_of_all_is_what_counts() -> None:
    ok, warn, error = Check("a", "ok", ""), Check("b", "warn", ""), Check("c", "error", "")

    assert [find_worst(checks) for checks in ([], [ok], [warn, ok], [ok, error, warn])] == ["ok", "ok", "warn", "error"]


def test_a_wrong_python_is_named() -> None:
    assert check_python(">=3.11").state == "ok"
    assert check_python(">=3.99").state == "error"
    assert "needs >=3.99" in check_python(">=3.99").found


def test_packages_that_are_missing_or_of_a_wrong_version_are_named() -> None:
    wanted = ["polars<1", "Torch>=2", "nosuchthing>=3", 'absent; extra == "dev"', 'gone; sys_platform == "plan9"']

    check = check_packages(wanted)

    assert check.state == "error"
    assert check.found == f"polars {version('polars')}, needs <1; nosuchthing is missing, needs >=3"
    assert check_packages(["polars>=1"]).state == "ok"


def test_only_what_is_installed_in_another_version_than_locked_differs(tmp_path: Path) -> None:
    lock, torch_version = tmp_path / "constraints.txt", version("torch").partition("+")[0]
    lines = ["# locked", f"torch=={torch_version}", "rich==1.0  # old", "absent==3", "--no-binary x"]
    lock.write_text("\n".join(lines))
    differs = check_lock(lock, ["torch", "rich"])
    lock.write_text(f"torch=={torch_version}")

    assert differs.state == "warn"
    assert differs.found == f"1 differ: rich {version('rich')}, locked ==1.0"
    assert check_lock(lock, ["torch"]).state == "ok"
    assert check_lock(lock, ["torch", "rich"]).found == "constraints.txt lacks rich"
    assert check_lock(tmp_path / "none.txt", []).state == "warn"
