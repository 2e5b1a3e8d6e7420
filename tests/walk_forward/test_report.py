"""Test the page, the figure and the metrics of a walk."""

from pathlib import Path

import pytest

from atft_kedro.walk_forward.report import build_walk_page, collect_walk_metrics, plot_walk
from atft_kedro.walk_forward.walk import FoldResult, FoldResults
from factories.walks import make_returns, score_trained, write_fold


def test_a_fold_with_several_test_ranges_has_no_sharpe_ratio(tmp_path: Path) -> None:
    folds = (write_fold(tmp_path, "one", (10, 20), (40, 50), seed=2), write_fold(tmp_path, "two", (15, 45), seed=3))

    page = build_walk_page(score_trained(FoldResults(folds=folds), tmp_path, make_returns()).score)

    rows = [line.split(" | ") for line in page.splitlines() if line.startswith("| one")]
    assert rows[0][1] == "2020-01-11 to 2020-01-20, 2020-02-10 to 2020-02-19"
    assert rows[0][-1] == "– |"


def test_the_page_the_figure_and_the_metrics_hold_the_scores(tmp_path: Path) -> None:
    succeeded = write_fold(tmp_path, "one", (10, 30), seed=2)
    failed = FoldResult(name="two", folder="two", tested=succeeded.tested, reason="killed")
    walk = score_trained(FoldResults(folds=(succeeded, failed)), tmp_path, make_returns())

    page, metrics = build_walk_page(walk.score), dict(collect_walk_metrics(walk.score))
    bars, next_bars, line = plot_walk(walk.score, walk.daily).data

    same = walk.score.pooled[1]
    assert f"| one | 2020-01-11 to 2020-01-30 | 20 | 20 | same close* | {same.ic.mean:.4f} | {same.ic.se:.4f} |" in page
    assert "These folds failed and are not included:\n\n  two: killed" in page
    assert list(metrics) == [0, 1]
    assert metrics[0]["walk/rank_ic_1d"] == metrics[1]["fold/rank_ic_1d"] == same.rank_ic.mean
    assert list(bars.y) == [same.rank_ic.mean]
    assert walk.score.next_close is not None
    later = walk.score.next_close[1]
    assert f"| one | 2020-01-11 to 2020-01-30 | 20 | 20 | next close | {later.ic.mean:.4f} |" in page
    assert f"| all | 2020-01-11 to 2020-01-30 | 20 |  | next close | {later.ic.mean:.4f} |" in page
    assert metrics[0]["walk/next_close/rank_ic_1d"] == later.rank_ic.mean != same.rank_ic.mean
    assert list(next_bars.y) == [later.rank_ic.mean]
    assert list(bars.error_y.array) == [2 * (same.rank_ic.se or 0)]
    assert line.y[-1] == pytest.approx(20 * (same.rank_ic.mean or 0))
