"""Test log lines without a terminal and in files."""

import logging
import re
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from rich.logging import RichHandler

from atft_kedro.commands.console import log_lines
from atft_kedro.logs import log_to_file

STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4}"
LONG = "augment 3/5: validation rank IC 0.1234567890 (best 0.1234567890), " + "scale 0.123456789, " * 20


@pytest.mark.parametrize("is_terminal", [False, True])
def test_without_a_terminal_a_record_is_one_line(
    is_terminal: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.excepthook", lambda *_: None)
    stream = StringIO()
    logger = logging.Logger("atft_kedro.example")
    console = Console(file=stream, width=80, force_terminal=is_terminal)
    logger.addHandler(RichHandler(console=console, markup=True))

    log_lines(logger)
    logger.info("%s end [bold]", LONG)

    if is_terminal:
        assert len(stream.getvalue().splitlines()) > 5
    else:
        assert re.fullmatch(f"{STAMP} INFO {re.escape(LONG)} end \\[bold\\]\n", capsys.readouterr().out)


def test_a_file_gets_the_log_of_a_block_and_its_exception(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    logger, path = logging.getLogger("atft_kedro.example"), tmp_path / "train.log"

    logger.info("before")
    with log_to_file(path):
        logger.info("once")
    with pytest.raises(ValueError, match="broken"), log_to_file(path):
        logger.warning("again")
        raise ValueError("broken")
    logger.info("after")

    lines = [re.sub(STAMP, "", line) for line in path.read_text().splitlines()]
    assert lines == [" INFO once", " WARNING again", " ERROR ended by ValueError: broken"]
    assert "ended by" not in caplog.text
