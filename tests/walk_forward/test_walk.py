"""A walk: folds that fail, are killed, are gone on with, and are left alone once they are finished."""

import json
import os
import signal
import threading
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from atft_kedro.market.simulation import SimulatedMarket
from atft_kedro.params import InputError
from atft_kedro.walk_forward.fold import History
from atft_kedro.walk_forward.walk import TrainedFolds
from factories.processes import wait_for
from factories.walks import SHORT, judge_walk, make_history, walk

TRAINING = SHORT.model_copy(update={"epochs": 10})


@pytest.fixture(scope="module")
def history(market: SimulatedMarket, tmp_path_factory: pytest.TempPathFactory) -> History:
    return make_history(market.prices, tmp_path_factory.mktemp("walk") / "tables")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("undisturbed")


@pytest.fixture(scope="module")
def walked(history: History, undisturbed: Path) -> TrainedFolds:
    return walk(history, undisturbed, TRAINING)


def files_of(folder: Path) -> dict[str, int]:
    return {str(file.relative_to(folder)): file.stat().st_mtime_ns for file in folder.rglob("*")}


def require_same_forecasts(folder: Path, other: Path, trained: TrainedFolds) -> None:
    for fold in trained.folds:
        one, two = (pl.read_parquet(each / fold.folder / "forecasts.parquet") for each in (folder, other))
        assert_frame_equal(one, two, check_exact=True)


def test_every_fold_leaves_its_run_and_its_forecasts_and_no_panel(undisturbed: Path, walked: TrainedFolds) -> None:
    for fold in walked.folds:
        home = undisturbed / fold.folder
        assert fold.record is not None
        assert (home / fold.record.trained.run / "best.pt").exists()
        said = pl.read_parquet(home / "forecasts.parquet")
        tested = said.filter(split="test")["date"]
        assert (tested.min(), tested.max()) == (fold.tested[0].first, fold.tested[0].last)
        assert not (home / "panel").exists()
    assert [fold.name for fold in walked.folds] == ["fold 1", "fold 2"]
    assert walked.is_whole(undisturbed)


def test_finished_folds_are_not_run_again(history: History, undisturbed: Path, walked: TrainedFolds) -> None:
    before = files_of(undisturbed)

    again = walk(history, undisturbed, TRAINING, processes=1)

    assert again == walked
    assert files_of(undisturbed) == before


def test_a_fold_that_cannot_be_is_reported_and_the_other_stands(
    history: History, undisturbed: Path, walked: TrainedFolds, tmp_path: Path
) -> None:
    first, second = (fold.folder for fold in walked.folds)
    (tmp_path / second).write_text("a file where the fold's folder has to be")

    failed = walk(history, tmp_path, TRAINING)
    judged = judge_walk(history, tmp_path, failed)
    stands = files_of(tmp_path / first)
    (tmp_path / second).unlink()
    again = walk(history, tmp_path, TRAINING)

    assert failed.folds[0].reason is None
    assert str(failed.folds[1].reason).startswith("FileExistsError")
    assert not failed.is_whole(tmp_path)
    assert judged.score.pooled == judged.score.folds[0].horizons
    with pytest.raises(InputError, match=r"1 of 2 folds failed:\n  fold 2: FileExistsError"):
        judged.score.require_every_fold()
    assert again.is_whole(tmp_path)
    assert files_of(tmp_path / first) == stands
    require_same_forecasts(tmp_path, undisturbed, again)
    whole = judge_walk(history, undisturbed, walked)
    assert judge_walk(history, tmp_path, again).score.pooled == whole.score.pooled


def test_a_killed_fold_goes_on_from_its_checkpoint_to_the_same_numbers(
    history: History, undisturbed: Path, walked: TrainedFolds, tmp_path: Path
) -> None:
    home = tmp_path / walked.folds[0].folder

    def kill_first() -> None:
        wait_for(lambda: len(list(home.glob("latest/checkpoints/*.pt"))) >= 2)
        os.kill(json.loads((home / "latest" / "heartbeat.json").read_text())["pid"], signal.SIGKILL)

    killer = threading.Thread(target=kill_first)
    killer.start()
    killed = walk(history, tmp_path, TRAINING)
    killer.join()
    run = (home / "latest").resolve().name
    had_panel = (home / "panel").exists()
    again = walk(history, tmp_path, TRAINING)

    assert str(killed.folds[0].reason).startswith("killed by SIGKILL")
    assert killed.folds[1].reason is None
    assert had_panel
    assert again.folds[1] == killed.folds[1]
    assert again.folds[0].record is not None
    assert again.folds[0].record.trained.run == run
    assert "goes on after step" in (home / "log.txt").read_text()
    require_same_forecasts(tmp_path, undisturbed, again)


def test_a_walk_of_which_nothing_is_left_says_why(history: History, walked: TrainedFolds, tmp_path: Path) -> None:
    for fold in walked.folds:
        (tmp_path / fold.folder).touch()

    with pytest.raises(InputError, match=r"No fold of the walk has finished:\n  fold 1: FileExists.*\n  fold 2: File"):
        walk(history, tmp_path, TRAINING)


def test_a_walk_is_not_told_to_resume(history: History, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a walk goes on with its folds by itself"):
        walk(history, tmp_path, SHORT.model_copy(update={"resume": "latest"}))
