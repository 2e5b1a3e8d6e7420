"""Test that a process stays with the run that it has trained."""

from pathlib import Path

import pytest
from kedro.io import DatasetError
from kedro.pipeline import Node, Pipeline

from atft_kedro.datasets.trained import TRAINED_RUN
from atft_kedro.stages.runner import StageSequentialRunner
from atft_kedro.training.runs import TrainedRun
from factories.catalogs import open_catalog


def test_a_process_keeps_its_run_while_another_training_ends(runs: list[Path], tmp_path: Path) -> None:
    def fit() -> TrainedRun:
        return TrainedRun(run=runs[0].name, members=())

    def score(trained: TrainedRun) -> str:
        open_catalog(tmp_path)[TRAINED_RUN].save(TrainedRun(run=runs[1].name, members=()))
        return trained.run

    def report(trained: TrainedRun, summary: str) -> str:
        return f"{trained.run} {summary}"

    pipeline = Pipeline(
        [
            Node(fit, None, TRAINED_RUN, name="fit"),
            Node(score, TRAINED_RUN, "summary", name="score"),
            Node(report, [TRAINED_RUN, "summary"], "report", name="report"),
        ]
    )
    StageSequentialRunner().run(pipeline, open_catalog(tmp_path))

    assert (runs[0] / "report.html").read_text() == f"{runs[0].name} {runs[0].name}"
    assert {file.name for file in runs[1].iterdir()} == {"manifest.json"}
    assert open_catalog(tmp_path)[TRAINED_RUN].load().run == runs[1].name
    assert not open_catalog(tmp_path)["report"].exists()  # the run that was trained last has no report


@pytest.mark.parametrize("text", ['{"run": "a', '{"run": "a", "members": [{"seed": 7, "best_rank_ic": 0.1}]}'])
def test_an_unreadable_trained_run_is_replaced_by_the_next_training(
    runs: list[Path], tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    (tmp_path / "06_models" / "trained_run.json").write_text(text)
    fit = Node(lambda: TrainedRun(run=runs[0].name, members=()), None, TRAINED_RUN, name="fit")
    report = Node(lambda trained: trained.run, TRAINED_RUN, "report", name="report")

    with pytest.raises(DatasetError, match="was written by another version|is not readable"):
        open_catalog(tmp_path)[TRAINED_RUN].load()
    StageSequentialRunner().run(Pipeline([fit, report]), open_catalog(tmp_path))

    assert (runs[0] / "report.html").read_text() == runs[0].name
    assert "the next training replaces it" in caplog.text
