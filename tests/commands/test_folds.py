"""Test ``kedro atft folds``."""

from pathlib import Path

import pytest

from atft_kedro.commands.console import make_console
from atft_kedro.commands.folds import render_folds
from atft_kedro.walk_forward.walk import FoldResult, FoldResults
from factories.walks import make_returns, score_trained, write_fold


def test_folds_are_shown_with_their_scores_or_the_reason_of_their_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    succeeded = write_fold(tmp_path, "one", (10, 30), seed=2)
    failed = FoldResult(name="two", folder="two", tested=succeeded.tested, reason="killed by SIGKILL")
    score = score_trained(FoldResults(folds=(succeeded, failed)), tmp_path, make_returns()).score

    make_console().print(render_folds(score))

    output = capsys.readouterr().out
    assert f"{score.folds[0].horizons[1].ic.mean:.4f}" in output
    assert "failed: killed by SIGKILL" in output
