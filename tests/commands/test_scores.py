"""Test the commands that score runs and show their scores."""

import json
import re
import shutil
from pathlib import Path

import pytest

from atft_kedro.commands.console import make_console
from atft_kedro.commands.scores import render_folds
from atft_kedro.walk_forward.walk import TrainedFold, TrainedFolds
from factories.project import SMALL, kedro
from factories.walks import make_returns, score_trained, write_fold


@pytest.mark.slow
def test_evaluate_scores_a_run_again_with_other_costs(ran_project: Path) -> None:
    run = (ran_project / "data" / "06_models" / "runs" / "latest").resolve()
    before, report = json.loads((run / "metrics.json").read_text()), (run / "report.html").read_text()
    try:
        printed = kedro(ran_project, "atft", "evaluate", "--params", f"{SMALL},evaluation.portfolio.cost_bp=1000")
        with_costs = json.loads((run / "metrics.json").read_text())
        table = kedro(ran_project, "atft", "metrics", "--params", SMALL)
    finally:
        kedro(ran_project, "atft", "evaluate", run.name, "--params", SMALL)
    unknown = kedro(ran_project, "atft", "metrics", "mine", "--params", SMALL, fails=True)

    cheap, costly = (scores["split"]["test"]["h1"]["long_short"] for scores in (before, with_costs))
    assert costly["gross_sharpe"] == cheap["gross_sharpe"]
    assert costly["net_mean"] == pytest.approx(cheap["gross_mean"] - 0.1 * cheap["turnover"])
    assert json.loads((run / "metrics.json").read_text()) == before
    assert (run / "report.html").read_text().count("js-plotly-plot") == report.count("js-plotly-plot")
    assert f"1 = {run.name}" in printed
    assert [printed.count(f" 1 {split} ") for split in ("train", "validation", "test")] == [8, 8, 8]
    assert [table.count(f" 1 {split} ") for split in ("train", "validation", "test")] == [0, 0, 8]
    assert "There is no run 'mine'" in unknown


@pytest.mark.slow
def test_compare_pairs_the_runs_by_day(ran_project: Path) -> None:
    run = (ran_project / "data" / "06_models" / "runs" / "latest").resolve()
    copied = run.with_name("copied")
    shutil.copytree(run, copied)
    try:
        output = kedro(ran_project, "atft", "compare", run.name, "copied", "--split", "validation", "--params", SMALL)
        one = kedro(ran_project, "atft", "compare", run.name, "--params", SMALL, fails=True)
    finally:
        shutil.rmtree(copied)

    assert f"1 = {run.name}" in output
    assert "2 = copied" in output
    assert "validation days, forecasts that all runs have" in output
    assert "Name two or more different runs" in one


@pytest.mark.slow
def test_the_oracle_is_better_than_a_trained_network(ran_project: Path) -> None:
    output = kedro(ran_project, "atft", "oracle", "--params", SMALL)

    shares = [float(share) for share in re.findall(r"│ (-?[\d.]+)%", output)]
    assert len(shares) == 4
    assert all(share < 100 for share in shares)


def test_folds_are_shown_with_their_scores_or_the_reason_of_their_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    finished = write_fold(tmp_path, "one", (10, 30), seed=2)
    failed = TrainedFold(name="two", folder="two", tested=finished.tested, reason="killed by SIGKILL")
    score = score_trained(TrainedFolds(folds=(finished, failed)), tmp_path, make_returns()).score

    make_console().print(render_folds(score))

    output = capsys.readouterr().out
    assert f"{score.folds[0].horizons[1].ic.mean:.4f}" in output
    assert "failed: killed by SIGKILL" in output
