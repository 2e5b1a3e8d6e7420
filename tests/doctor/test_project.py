"""Test the checks of the commit and of earlier trainings."""

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

from atft_kedro.doctor.project import FIRST_HEARTBEAT, check_champion, check_git, check_runs
from atft_kedro.export.model_card import CARD_FILE
from atft_kedro.export.model_folder import ExportedModels
from atft_kedro.panel.scaler import FeatureCatalogue
from atft_kedro.training.runs import Runs
from factories.exports import Trained


def test_uncommitted_code_is_a_warning(tmp_path: Path) -> None:
    def git(*words: str) -> None:
        subprocess.run(["git", "-C", tmp_path, "-c", "user.name=a", "-c", "user.email=a@b", *words], check=True)

    outside = check_git(tmp_path)
    git("init", "--quiet")
    empty = check_git(tmp_path)
    git("commit", "--quiet", "--allow-empty", "--message", "first")
    clean = check_git(tmp_path)
    (tmp_path / "new.py").touch()
    dirty = check_git(tmp_path)

    assert [check.severity for check in (outside, empty, clean, dirty)] == ["warn", "warn", "ok", "warn"]
    assert "not a git repository" in outside.message
    assert "1 uncommitted changes" in dirty.message


def _start_run(runs: Runs, **fields: object) -> Path:
    folder = runs.create({"n": len(runs.names())})
    usual = {"state": "done", "seed": 7, "phase": "one", "epoch": 1, "epochs_of_phase": 2, "steps": 5, "total_steps": 9}
    rest = {
        "best": 0.1,
        "seconds_left": 1.0,
        "host": os.uname().nodename,
        "time": time.time(),
        "metric": "ic",
        "load": {},
    }
    (folder / "heartbeat.json").write_text(json.dumps({**usual, **rest, "pid": os.getpid(), **fields}))
    return folder


def test_dead_trainings_are_listed(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    runs = Runs(tmp_path, commit="", is_dirty=False)
    none = check_runs(runs)
    _start_run(runs)
    _start_run(runs, state="training")
    healthy = check_runs(runs)
    dead = _start_run(runs, state="training", pid=ended.pid)
    silent, starting = runs.create({"a": 1}), runs.create({"b": 1})
    before = time.time() - 2 * FIRST_HEARTBEAT
    os.utime(silent / "manifest.json", (before, before))

    check = check_runs(runs)

    assert [result.severity for result in (none, healthy, check)] == ["ok", "ok", "warn"]
    assert f"{dead.name} died after step 5 of 9" in check.message
    assert f"{silent.name} ended before its first step" in check.message
    assert starting.name not in check.message
    assert f"training.resume={silent.name} resumes it" in check.advice[0]


def test_an_unreadable_run_is_listed_with_the_dead_ones(tmp_path: Path) -> None:
    runs = Runs(tmp_path, commit="", is_dirty=False)
    cut, dead = _start_run(runs), _start_run(runs, state="training", host="elsewhere", time=0.0)
    (cut / "manifest.json").write_text('{"n": ')

    check = check_runs(runs)

    assert f"{cut / 'manifest.json'} is not readable as JSON" in check.message
    assert f"{dead.name} died after step 5 of 9" in check.message


def test_a_latest_link_to_a_missing_run_is_reported(tmp_path: Path) -> None:
    runs = Runs(tmp_path, commit="", is_dirty=False)
    kept = _start_run(runs)
    runs.set_latest("missing")

    check = check_runs(runs)

    assert check.severity == "warn"
    assert "latest does not point to a run" in check.message
    assert f"ln -sfn {kept.name}" in check.advice[0]


def test_a_champion_that_cannot_forecast_is_an_error_before_the_daily_run(
    trained: Trained, model_folder: Path, tmp_path: Path
) -> None:
    runs = Runs(tmp_path / "runs", commit="", is_dirty=False)
    models = ExportedModels(runs)
    before = check_champion(models, None, 0)
    features = trained.inputs.scaler.names()
    known = FeatureCatalogue(trained.inputs.scaler.feature_hash, dict.fromkeys(features, "own"))
    shutil.copytree(trained.run, runs.folder / trained.run.name)
    same, lagged = check_champion(models, known, 0), check_champion(models, known, 1)
    others = check_champion(models, replace(known, hash="0123"), 0)
    card = models.find("champion") / CARD_FILE
    card.write_text(card.read_text().replace('"hidden_size"', '"width"'))
    older = check_champion(models, None, 0)

    assert [check.severity for check in (before, same, lagged, others, older)] == ["ok", "ok", *3 * ["error"]]
    assert trained.run.name in same.message
    assert "features.entry_lag is 1, but the model was trained with 0" in lagged.message
    assert "the names are the same, but the definitions differ" in others.message
    assert "was written by another version of this project: network.hidden_size" in older.message
    assert "kedro run trains a model for this version; kedro atft promote RUN --force --reason TEXT" in older.advice[0]
