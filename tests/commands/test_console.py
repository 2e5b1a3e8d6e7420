"""Test the output of commands without a terminal."""

import re
from pathlib import Path

import pytest
from rich.table import Table

from atft_kedro.commands.console import make_console

ROOT = Path(__file__).parent.parent.parent


def test_a_table_is_not_shortened_without_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    table = Table(*(f"column {number}" for number in range(12)))
    table.add_row(*("0.2012345 ± 0.0123456" for _ in range(12)))

    make_console().print(table)

    printed = capsys.readouterr().out
    assert printed.count("0.2012345 ± 0.0123456") == 12
    assert max(len(line.rstrip()) for line in printed.splitlines()) < 400


def test_all_commands_use_this_console() -> None:
    files = [path for path in (ROOT / "src").rglob("*.py") if re.search(r"\bConsole\(", path.read_text())]

    assert sorted(path.name for path in files) == ["console.py", "progress.py", "progress_bar.py"]
