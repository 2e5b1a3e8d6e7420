"""What a training leaves in its folder: logs, checkpoints read safely and strictly, whole even on a full disk."""

import json
import logging
import math
import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch

from atft_kedro.training.callbacks import Checkpoints, EpochLog, MetricsLog
from atft_kedro.training.checkpoint import BEST, EPOCH_FOLDER, FINAL, LAST, SWA, read_checkpoint
from atft_kedro.training.engine import Stop, Trainer
from atft_kedro.training.process_control import Heartbeat, StopFile
from atft_kedro.training.runs import METRICS, STOP_FILE
from factories.training import IDENTITY, PHASES, Make, Watch


def test_the_run_folder_holds_log_heartbeat_and_checkpoints(
    make: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    log, heartbeat = MetricsLog(tmp_path, norm_interval=5), Heartbeat(tmp_path, every=0.0)
    trainer = make([log, heartbeat, Checkpoints(tmp_path, IDENTITY, keep=2), EpochLog()])

    trainer.fit()

    lines = pl.read_ndjson(tmp_path / METRICS, infer_schema_length=None)
    steps = lines.filter(pl.col("step").is_not_null())
    epochs = lines.filter(pl.col("train_loss").is_not_null())
    position = pl.read_json(tmp_path / "heartbeat.json")
    assert steps["step"].to_list() == list(range(1, trainer.total_steps + 1))
    assert steps.filter(pl.col("gradient/heads").is_not_null())["step"].to_list() == list(range(5, len(steps) + 1, 5))
    assert (steps["learning_rate"] > 0).all()
    assert steps["phase"].to_list() == [name for name in ("one", "two") for _ in range(len(steps) // 2)]
    assert epochs["phase"].to_list() == ["one", "one", "two", "two"]
    assert (epochs["forecasts_per_second"] > 0).all()
    assert (epochs["peak_memory_gb"] > 0.1).all()
    assert epochs["train"].struct.field("rank_ic_1d").is_finite().all()
    assert ((epochs["reading_seconds"] > 0) & (epochs["reading_seconds"] < epochs["seconds"])).all()
    assert (epochs["cpu_seconds"] > 0).all()
    assert epochs["pieces"].to_list() == [1, 1, 1, 1]
    assert lines["swa"].struct.field("rank_ic").drop_nulls().len() == 1
    scores = {f"EMA weights, epoch {n}": epoch["rank_ic"] for n, epoch in enumerate(trainer.progress.history, 1)}
    scores["SWA weights, mean of the last 1 epochs"] = lines["swa"].struct.field("rank_ic").drop_nulls().item()
    kept = position["best_weights"].item()
    assert position["best"].item() == scores[kept] == max(scores.values())
    assert caplog.messages[-1] == f"best weights: {kept}, validation rank IC {scores[kept]:.4f}"
    assert (position["seconds_left"].item(), position["state"].item()) == (0, "done")
    assert sorted(path.name for path in (tmp_path / EPOCH_FOLDER).iterdir()) == ["epoch_003.pt", "epoch_004.pt"]
    best = read_checkpoint(tmp_path / BEST, IDENTITY)
    assert best["progress"]["best"] == pytest.approx(max(scores["rank_ic"] for scores in trainer.progress.history))
    assert read_checkpoint(tmp_path / FINAL, IDENTITY)["progress"]["steps_done"] == trainer.total_steps


@pytest.mark.parametrize(
    ("best", "consequence"),
    [(0.1, "the best weights do not change"), (math.nan, "the newest weights count as the best")],
)
def test_an_undefined_score_is_logged_with_its_consequence(
    make: Make, caplog: pytest.LogCaptureFixture, best: float, consequence: str
) -> None:
    trainer = make([])
    trainer.fit()
    trainer.progress = replace(trainer.progress, best=best)

    EpochLog().after_epoch(trainer, dict.fromkeys(trainer.progress.history[-1], math.nan))

    assert f"the validation rank IC of this epoch is undefined: {consequence}" in caplog.text


def test_the_average_of_the_last_epochs_is_their_weights_mean(make: Make, tmp_path: Path) -> None:
    seen: list[torch.Tensor] = []
    keep = Watch()
    keep.after_epoch = lambda trainer, scores: seen.append(trainer.network.heads.linear.weight.detach().clone())  # type: ignore[method-assign]
    trainer = make([keep, Checkpoints(tmp_path, IDENTITY, keep=3)], swa_share=0.5)

    trainer.fit()

    swa = read_checkpoint(tmp_path / SWA, IDENTITY)["best"]["heads.linear.weight"]
    assert trainer.progress.swa_epochs == 2
    assert torch.allclose(swa, torch.stack(seen[2:]).mean(0), atol=1e-7)


class Killed(BaseException):
    """Ends a training like a kill signal: no callback handles it."""


def test_a_training_killed_between_its_log_and_its_checkpoint_ends_with_the_log_of_an_uninterrupted_one(
    make: Make, tmp_path: Path
) -> None:
    logs = []
    for name, ends in (("whole", ()), ("killed", (4,))):
        folder = tmp_path / name
        folder.mkdir()
        kill = Watch()
        kill.after_epoch = lambda trainer, scores, ends=ends: kill_at(trainer, ends)  # type: ignore[method-assign]
        trainer = make([MetricsLog(folder, norm_interval=20), kill, Checkpoints(folder, IDENTITY, keep=3)])
        if ends:
            with pytest.raises(Killed):
                trainer.fit()
            with (folder / METRICS).open("a") as log:
                log.write('{"step": 1, "lo')
            trainer = make([MetricsLog(folder, norm_interval=20), Checkpoints(folder, IDENTITY, keep=3)])
            trainer.resume(read_checkpoint(folder / LAST, IDENTITY))
        trainer.fit()
        logs.append([without_clocks(json.loads(line)) for line in (folder / METRICS).read_text().splitlines()])

    assert logs[1] == logs[0]


def kill_at(trainer: Trainer, epochs: tuple[int, ...]) -> None:
    if len(trainer.progress.history) in epochs:
        raise Killed


def without_clocks(line: dict[str, Any]) -> dict[str, Any]:
    """Leave out what differs between two trainings with the same numbers."""
    return {name: value for name, value in line.items() if not re.search("second|memory", name)}


def test_an_epoch_with_a_stop_inside_is_measured_as_a_whole(make: Make, tmp_path: Path) -> None:
    one_epoch = {"phases": [PHASES[0] | {"epochs": 1}]}

    def wait(trainer: Trainer) -> None:
        time.sleep(1)
        (tmp_path / STOP_FILE).touch()

    log, stop_request = MetricsLog(tmp_path, norm_interval=20), Watch(make(**one_epoch).total_steps - 1, wait)
    stopped = make([stop_request, log, Checkpoints(tmp_path, IDENTITY, keep=3), StopFile(tmp_path)], **one_epoch)
    started = time.perf_counter()
    with pytest.raises(Stop):
        stopped.fit()
    longest = time.perf_counter() - started
    time.sleep(0.5)  # time without training
    resumed = make([MetricsLog(tmp_path, norm_interval=20)], **one_epoch)
    resumed.resume(read_checkpoint(tmp_path / LAST, IDENTITY))
    started = time.perf_counter()
    resumed.fit()
    longest += time.perf_counter() - started

    lines = map(json.loads, (tmp_path / METRICS).read_text().splitlines())
    epoch = next(line for line in lines if "train_loss" in line)
    assert 1 < epoch["seconds"] < longest
    assert epoch["forecasts_per_second"] == pytest.approx(resumed.n_forecasts / epoch["seconds"])
