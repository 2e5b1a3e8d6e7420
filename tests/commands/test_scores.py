"""Tables of runs side by side."""

import pytest

from atft_kedro.commands.console import make_console
from atft_kedro.commands.scores import draw_comparison
from atft_kedro.evaluation.compare_runs import RunComparison
from factories.training_logs import make_mean, score_horizon


@pytest.mark.parametrize(("trials", "tried"), [(0, 2), (40, 40)])
def test_the_column_of_chance_says_on_what_it_depends(
    trials: int, tried: int, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [RunComparison(run, 1, 0, 0, score_horizon(make_mean(0.1)), {}, 0.9, 0) for run in ("one", "other")]

    make_console().print(draw_comparison(rows, "test", trials))

    printed = " ".join(capsys.readouterr().out.split())
    assert "net Sharpe deflated rank IC ahead" in printed
    assert f"above the best that chance gives to {tried} runs. It depends on the runs listed" in printed
