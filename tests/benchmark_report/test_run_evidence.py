"""Test reading the folder of a run, and the description of differences between runs."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from atft_kedro.benchmark_report.run_evidence import RunEvidence, describe_difference, read_known_manifest
from atft_kedro.params import InputError
from factories.benchmark_runs import PHASE, make_run


def test_runs_are_described_by_their_differences(returns: pl.DataFrame, tmp_path: Path) -> None:
    first = make_run(tmp_path / "first", returns, share=0.5, without=["fan"]).manifest

    def describe(**changes: Any) -> str:
        return describe_difference(first | changes, first)

    def describe_training(**changes: Any) -> str:
        return describe(training=first["training"] | changes)

    train, *later = first["split"]["date_ranges"]
    longer = {"name": "split", "date_ranges": [train | {"first": "2001-01-01"}, *later]}
    shorter = {"name": "split", "date_ranges": [train, *later[:-1], later[-1] | {"last": "2024-04-04"}]}
    faster = [PHASE | {"learning_rate": 0.5, "loss": {"mse": 1.0, "ic": 2.0}}]
    assert describe_training(resume="first", seeds=3) == "the same again"
    assert describe_training(without=[]) == "with fan"
    loss = {"mse": 1.0, "ic": 0.0}
    assert describe_training(without=["gat", "fan"], loss=loss) == "without gat, training.loss = 1 mse"
    assert describe_training(phases=faster) == (
        "training.phases.one.learning_rate = 0.5, training.phases.one.loss = 1 mse + 2 ic"
    )
    late = {"name": "late", "epochs": 3, "newest_days": 756, "learning_rate": 0.1}
    assert describe_training(phases=[PHASE | {"epochs": 1, "learning_rate": 0.5}, PHASE | late]) == (
        "phases one (1 epochs) then late (3 epochs of the newest 756 days), training.phases.one.learning_rate = 0.5"
    )
    assert describe_training(labels={"transform": "zscore"}) == "training.labels.transform = zscore"
    assert describe(split=longer, panel="other") == "trained from 2001-01-01"
    assert describe(split=shorter) == "other days"
    assert describe(graph={"kind": "random", "neighbours": 10}) == "graph.kind = random"
    assert describe(features=158, feature_hash="wide", panel="other") == "other features"
    assert describe(panel="other") == "other data"


def test_a_run_without_daily_scores_is_refused(returns: pl.DataFrame, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", returns, share=0.5)
    (run.folder / "daily.parquet").unlink()

    with pytest.raises(InputError, match="kedro atft evaluate run writes it"):
        RunEvidence.read(run.folder)


def test_a_run_of_another_version_is_refused(returns: pl.DataFrame, tmp_path: Path) -> None:
    old_phase = {"parts" if name == "modules" else name: value for name, value in PHASE.items()}

    with pytest.raises(InputError, match=r"^Run run was trained by another version of this project"):
        make_run(tmp_path / "run", returns, share=0.5, phases=[old_phase])


@pytest.mark.parametrize("changes", [{"split": {"stretches": []}}, {"training": {}}, {"training": None}])
def test_a_manifest_of_another_version_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    folder = tmp_path / "old"
    folder.mkdir()
    (folder / "manifest.json").write_text(json.dumps({"split": {"name": "split", "date_ranges": []}} | changes))

    with pytest.raises(InputError, match="^Run old was trained by another version of this project"):
        read_known_manifest(folder)
