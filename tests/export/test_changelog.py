"""The changelog has one row for each exported run, the newest first."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from atft_kedro.export.changelog import CHANGELOG, add_to_changelog
from atft_kedro.export.model_folder import ExportedModel
from factories.exports import Trained


def test_the_changelog_has_one_row_per_run_the_newest_first(trained: Trained, tmp_path: Path) -> None:
    names = ["20260101-a", "20260301-c", "20260201-b"]
    for name in names:
        shutil.copytree(trained.run, tmp_path / name)

    def add_run(name: str) -> None:
        add_to_changelog(tmp_path / name, ExportedModel(run=name, folder=f"gatfan_{name}", score=-0.5), trained.score)

    with ThreadPoolExecutor(4) as pool:  # runs that end at the same time lose no line
        list(pool.map(add_run, names * 4))

    lines = (tmp_path / CHANGELOG).read_text().splitlines()
    assert [line.split(" | ")[1] for line in lines[4:]] == ["20260301-c", "20260201-b", "20260101-a"]
    assert lines[4].startswith("| 2026-03-01 | 20260301-c | abcdef012 with changes | ")
    portfolio = trained.score.split["test"][1].long_short
    assert portfolio is not None
    assert lines[4].endswith(f"| {portfolio.net_sharpe:.2f} | gatfan_20260301-c |")


def test_a_run_that_is_exported_again_has_one_row_and_other_text_stays(trained: Trained, tmp_path: Path) -> None:
    run = tmp_path / "20260101-a"
    shutil.copytree(trained.run, run)
    add_to_changelog(run, ExportedModel(run=run.name, folder="gatfan_first", score=None), trained.score)
    page = (tmp_path / CHANGELOG).read_text()
    (tmp_path / CHANGELOG).write_text(
        page.replace("# Exported runs\n", "# Exported runs\n\nA note.\n") + "\nThe end.\n"
    )

    add_to_changelog(run, ExportedModel(run=run.name, folder="gatfan_second", score=0.5), trained.score)

    lines = (tmp_path / CHANGELOG).read_text().splitlines()
    assert [line.split(" | ")[-1] for line in lines if run.name in line] == ["gatfan_second |"]
    assert "A note." in lines
    assert lines[-1] == "The end."
