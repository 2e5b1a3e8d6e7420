"""Imports go one way: down."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_every_import_contract_is_kept() -> None:
    lint = Path(sys.executable).with_name("lint-imports")

    done = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout


def test_the_commands_file_has_what_kedro_looks_for() -> None:
    from atft_kedro import cli

    assert {"run", "atft"} <= set(cli.cli.commands)
    assert cli.run.name == "run"


def test_files_and_functions_are_short() -> None:
    long = {str(file): n for file in (ROOT / "src").rglob("*.py") if (n := len(file.read_text().splitlines())) > 250}

    assert long == {}


def test_no_path_is_read_as_a_pattern() -> None:
    """Polars expands [ ] * ? in a path unless ``glob=False``; a user's folder may hold them."""
    reading = re.compile(r"pl\.(?:scan|read)_(?:parquet|csv|ipc|ndjson)\((?:[^()]|\([^()]*\))*\)")
    calls = [call for file in (ROOT / "src").rglob("*.py") for call in reading.findall(file.read_text())]

    assert calls
    assert [call for call in calls if "glob=False" not in call] == []
