"""The progress bar on a terminal."""

from io import StringIO

from rich.console import Console

from atft_kedro.training.progress_bar import ProgressBar, progress_callbacks
from factories.training import PHASES, Make


def test_the_bar_shows_phase_steps_and_score(make: Make) -> None:
    output = StringIO()
    bar = ProgressBar(Console(file=output, force_terminal=True, width=120))

    make([bar], phases=[PHASES[0] | {"epochs": 2}]).fit()

    assert "one 2/2" in output.getvalue()
    assert "rank IC" in output.getvalue()


def test_without_a_terminal_no_bar_is_shown() -> None:
    assert progress_callbacks() == []
