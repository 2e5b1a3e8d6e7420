"""Several processes train the same network as one: days are split, gradients averaged, and one process writes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from atft_kedro.params import InputError
from atft_kedro.training.distributed import TrainingProcesses
from atft_kedro.training.engine import STOPPED
from factories.datasets import make_panel
from factories.training import PHASES

pytestmark = pytest.mark.long
TESTS = Path(__file__).parents[1]
RANKED = str(TESTS / "factories" / "torchrun_script.py")


@pytest.fixture
def folder(ml_dataset: pl.DataFrame, tmp_path: Path) -> Path:
    make_panel(ml_dataset, tmp_path / "panel")
    ml_dataset.write_parquet(tmp_path / "ml_dataset.parquet")
    return tmp_path


def start(folder: Path, ranks: int, **params: object) -> subprocess.Popen[str]:
    training = json.dumps({"phases": PHASES, "days_per_block": 16, "device": "cpu"} | params)
    launched = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks)]
    command = [*(launched if ranks > 1 else [sys.executable]), RANKED, str(folder), training]
    paths = os.pathsep.join([str(TESTS), str(TESTS.parent / "src")])
    values = {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "PYTHONFAULTHANDLER": "1"}  # where it dies, if it does
    environment = os.environ | values  # noqa: TID251
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> None:
    output, errors = process.communicate(timeout=240)
    assert process.returncode == 0, output + errors
    assert "outlives the group" not in errors  # it would abort the process now and then


def read_log(folder: Path) -> pl.DataFrame:
    return pl.read_ndjson(folder / "runs" / "latest" / "metrics.jsonl", infer_schema_length=None)


def count_forecasts(folder: Path) -> list[int]:
    """Count what was forecast in each epoch by all processes."""
    epochs = read_log(folder).drop_nulls("forecasts_per_second")
    return (epochs["forecasts_per_second"] * epochs["seconds"]).round().cast(pl.Int64).to_list()


def test_two_processes_equal_one_with_twice_the_blocks(folder: Path) -> None:
    curves, scores = [], []
    for processes, blocks in ((2, 1), (1, 2)):
        finish(start(folder, processes, accumulate=blocks))
        log = read_log(folder)
        curves.append(log["loss"].drop_nulls().to_list())
        scores.append(log["validation"].struct.field("rank_ic").drop_nulls().to_list())

    assert len(curves[0]) == len(curves[1]) > 10
    assert curves[0] == pytest.approx(curves[1], rel=2e-4)
    assert scores[0] == pytest.approx(scores[1], abs=2e-3)
    assert len(list((folder / "runs").glob("2*"))) == 2  # a run for each training, not for each process


def test_processes_that_have_read_different_tables_do_not_train_together() -> None:
    class Two(TrainingProcesses):
        def all_gather(self, value: str) -> list[str]:
            return [value, "another panel"]

    with pytest.raises(InputError, match="have read different tables"):
        Two().require_same_tables("a panel")


def test_stopped_processes_write_one_checkpoint_and_resume_to_the_same_numbers(folder: Path) -> None:
    long = {"phases": [PHASES[0] | {"epochs": 6}]}
    finish(start(folder, 2, **long))
    whole = read_log(folder)["validation"].struct.field("rank_ic").drop_nulls().to_list()
    forecasts = count_forecasts(folder)

    stopped = start(folder, 2, **long)
    while len(list((folder / "runs").glob("2*/heartbeat.json"))) < 2:
        time.sleep(0.02)
        assert stopped.poll() is None
    (folder / "runs" / "latest" / "stop").touch()
    stopped.communicate(timeout=240)
    log = read_log(folder)
    before = len(log["validation"].drop_nulls()) if "validation" in log.columns else 0
    finish(start(folder, 2, resume="latest", **long))

    assert before < 6
    assert read_log(folder)["validation"].struct.field("rank_ic").drop_nulls().to_list() == whole
    assert count_forecasts(folder) == forecasts  # each process continues its own count


def test_a_terminated_training_ends_with_a_checkpoint_and_its_own_code(folder: Path) -> None:
    process = start(folder, 1, phases=[PHASES[0] | {"epochs": 500}])
    heartbeat = folder / "runs" / "latest" / "heartbeat.json"
    while not heartbeat.exists():
        time.sleep(0.02)
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)

    assert process.returncode == STOPPED
    assert (folder / "runs" / "latest" / "last.pt").exists()
    assert json.loads(heartbeat.read_text())["state"] == "stopped"
