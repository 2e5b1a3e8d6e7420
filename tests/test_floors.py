"""Imports go down only; files and functions are short; tests are at the mirrored path."""

import re
import subprocess
import sys
from pathlib import Path

from code_measures import ROOT, count_arguments, count_lines, find_test, read_modules

MODULES = read_modules(ROOT)


def test_every_import_contract_is_kept() -> None:
    lint = Path(sys.executable).with_name("lint-imports")

    done = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout


def test_the_commands_file_defines_the_names_that_kedro_reads() -> None:
    from atft_kedro import cli

    assert {"run", "atft"} <= set(cli.cli.commands)
    assert cli.run.name == "run"


def test_files_are_short() -> None:
    files = [*(ROOT / "src").rglob("*.py"), *(ROOT / "tests").rglob("*.py")]
    long = {str(file): lines for file in files if (lines := len(file.read_text().splitlines())) > 250}

    assert long == {}


def test_functions_are_short_and_have_few_arguments() -> None:
    functions = [(module.name, function) for module in MODULES for function in module.functions]

    long = [name for name, function in functions if count_lines(function) > 40]
    many = [name for name, function in functions if count_arguments(function) > 6]
    assert [name for name in long if not name.endswith(".pipeline")] == []  # lists of nodes
    assert [name for name in many if not name.endswith(".nodes")] == []  # one argument per dataset


def test_every_module_is_tested_at_the_mirrored_path() -> None:
    untested = [module.name for module in MODULES if module.has_behaviour and find_test(ROOT, module) is None]

    assert untested == []


def test_no_path_is_read_as_a_pattern() -> None:
    """Polars expands [ ] * ? in a path unless ``glob=False``; a user's folder may hold them."""
    reading = re.compile(r"pl\.(?:scan|read)_(?:parquet|csv|ipc|ndjson)\((?:[^()]|\([^()]*\))*\)")
    calls = [call for file in (ROOT / "src").rglob("*.py") for call in reading.findall(file.read_text())]

    assert calls
    assert [call for call in calls if "glob=False" not in call] == []
