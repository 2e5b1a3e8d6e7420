"""Test walks whose folds fail, are killed, are resumed, or are already finished."""

import json
import os
import re
import signal
import threading
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from atft_kedro.market.simulation import SimulatedMarket
from atft_kedro.params import InputError
from atft_kedro.walk_forward.fold import MarketTables
from atft_kedro.walk_forward.walk import FoldResults
from factories.processes import wait_for
from factories.walks import SHORT, run_walk, score_trained, write_tables

TRAINING = SHORT.model_copy(update={"epochs": 10})


@pytest.fixture(scope="module")
def tables(market: SimulatedMarket, tmp_path_factory: pytest.TempPathFactory) -> MarketTables:
    return write_tables(market.prices, tmp_path_factory.mktemp("walk") / "tables")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("undisturbed")


@pytest.fixture(scope="module")
def walked(tables: MarketTables, undisturbed: Path) -> FoldResults:
    return run_walk(tables, undisturbed, TRAINING)


def list_files(folder: Path) -> dict[str, int]:
    return {str(file.relative_to(folder)): file.stat().st_mtime_ns for file in folder.rglob("*")}


def assert_same_forecasts(folder: Path, other: Path, trained: FoldResults) -> None:
    for fold in trained.folds:
        one, two = (pl.read_parquet(parent / fold.folder / "forecasts.parquet") for parent in (folder, other))
        assert_frame_equal(one, two, check_exact=True)


def test_every_fold_keeps_its_run_and_its_forecasts_but_not_its_panel(undisturbed: Path, walked: FoldResults) -> None:
    for fold in walked.folds:
        fold_folder = undisturbed / fold.folder
        assert fold.record is not None
        assert (fold_folder / fold.record.trained.run / "best.pt").exists()
        forecasts = pl.read_parquet(fold_folder / "forecasts.parquet")
        tested = forecasts.filter(split="test")["date"]
        assert (tested.min(), tested.max()) == (fold.tested[0].first, fold.tested[0].last)
        assert not (fold_folder / "panel").exists()
    assert [fold.name for fold in walked.folds] == ["fold 1", "fold 2"]
    assert walked.is_complete(undisturbed)


def test_finished_folds_are_not_trained_again(tables: MarketTables, undisturbed: Path, walked: FoldResults) -> None:
    before = list_files(undisturbed)

    again = run_walk(tables, undisturbed, TRAINING, processes=1)

    assert again == walked
    assert list_files(undisturbed) == before


def test_a_failed_fold_is_reported_and_the_other_is_scored(
    tables: MarketTables, undisturbed: Path, walked: FoldResults, tmp_path: Path
) -> None:
    first, second = (fold.folder for fold in walked.folds)
    (tmp_path / second).write_text("a file in place of the fold's folder")

    failed = run_walk(tables, tmp_path, TRAINING)
    scored = score_trained(failed, tmp_path, tables.dataset)
    before = list_files(tmp_path / first)
    (tmp_path / second).unlink()
    again = run_walk(tables, tmp_path, TRAINING)

    assert failed.folds[0].reason is None
    assert str(failed.folds[1].reason).startswith("FileExistsError")
    assert not failed.is_complete(tmp_path)
    assert scored.score.pooled == scored.score.folds[0].horizons
    with pytest.raises(InputError, match=r"1 of 2 folds failed:\n  fold 2: FileExistsError"):
        scored.score.require_every_fold()
    assert again.is_complete(tmp_path)
    assert list_files(tmp_path / first) == before
    assert_same_forecasts(tmp_path, undisturbed, again)
    undisturbed_score = score_trained(walked, undisturbed, tables.dataset)
    assert score_trained(again, tmp_path, tables.dataset).score.pooled == undisturbed_score.score.pooled


def test_a_killed_fold_resumes_from_its_checkpoint_to_the_same_forecasts(
    tables: MarketTables, undisturbed: Path, walked: FoldResults, tmp_path: Path
) -> None:
    fold_folder = tmp_path / walked.folds[0].folder

    def kill_first() -> None:
        wait_for(lambda: len(list(fold_folder.glob("latest/checkpoints/*.pt"))) >= 2, seconds=240)
        os.kill(json.loads((fold_folder / "latest" / "heartbeat.json").read_text())["pid"], signal.SIGKILL)

    killer = threading.Thread(target=kill_first)
    killer.start()
    killed = run_walk(tables, tmp_path, TRAINING)
    killer.join()
    run = (fold_folder / "latest").resolve().name
    had_panel = (fold_folder / "panel").exists()
    again = run_walk(tables, tmp_path, TRAINING)

    assert str(killed.folds[0].reason).startswith("killed by SIGKILL")
    assert killed.folds[1].reason is None
    assert had_panel
    assert again.folds[1] == killed.folds[1]
    assert again.folds[0].record is not None
    assert again.folds[0].record.trained.run == run
    assert re.search("(goes on|resumes) after step", (fold_folder / "log.txt").read_text())
    assert_same_forecasts(tmp_path, undisturbed, again)


def test_a_walk_without_a_finished_fold_lists_the_reasons(
    tables: MarketTables, walked: FoldResults, tmp_path: Path
) -> None:
    for fold in walked.folds:
        (tmp_path / fold.folder).touch()

    with pytest.raises(InputError, match=r"All folds of the walk failed:\n  fold 1: FileExists.*\n  fold 2: File"):
        run_walk(tables, tmp_path, TRAINING)


def test_a_walk_refuses_training_resume(tables: MarketTables, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a walk resumes its folds automatically"):
        run_walk(tables, tmp_path, SHORT.model_copy(update={"resume": "latest"}))
