"""Device, memory allocator and threads."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from atft_kedro.params import InputError
from atft_kedro.training import hardware
from atft_kedro.training.data import TrainingData
from atft_kedro.training.hardware import choose_device, choose_threads
from atft_kedro.training.params import TrainingParams
from atft_kedro.training.run import train_in_run
from atft_kedro.training.runs import LATEST, MANIFEST, Runs
from factories.params import make_params
from factories.training import NETWORK, Make, Watch

SCRIPT = """
import resource, torch
from atft_kedro.training.hardware import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        torch.ones(16_000_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

first = faults()
kept = keep_freed_memory()
faults()
print(kept, faults() < first / 10)
"""
TRAINING = make_params(TrainingParams, phases=[{"name": "x", "epochs": 1, "learning_rate": 1e-3}])


def test_large_tensors_are_mapped_once() -> None:
    output = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True).stdout.split()

    assert output in (["True", "True"], ["False", "False"])  # the second where the C library cannot


@pytest.fixture
def four_free_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in hardware.THREAD_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(1)


@pytest.mark.parametrize(
    ("seconds", "chosen"),
    [
        ({1: 0.10, 2: 0.08, 4: 0.05}, 4),
        ({1: 0.10, 2: 0.08, 4: 0.09}, 2),
        ({1: 0.10, 2: 0.95}, 1),  # another process has taken the second core
    ],
)
def test_as_many_threads_are_taken_as_make_a_step_clearly_faster(
    make: Make, four_free_threads: None, monkeypatch: pytest.MonkeyPatch, seconds: dict[int, float], chosen: int
) -> None:
    monkeypatch.setattr(hardware, "measure_step", lambda trainer, count, longest=0.0: seconds[count])

    assert choose_threads(make()).threads == chosen


def test_measured_threads_are_logged_stored_and_kept(
    training_data: TrainingData, four_free_threads: None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    runs = Runs(tmp_path, commit="abc", is_dirty=True)
    train_in_run(training_data, NETWORK, TRAINING, runs)
    manifest = json.loads((runs.find(LATEST) / MANIFEST).read_text())
    measured, during = [text for text in caplog.messages if "by the time of a step: 1: " in text], list[int]()
    torch.set_num_threads(3)

    seen = Watch(1, lambda trainer: during.append(torch.get_num_threads()))
    (runs.find(LATEST) / "last.pt").unlink()
    train_in_run(
        training_data, NETWORK, TRAINING.model_copy(update={"resume": LATEST, "threads": 8}), runs, callbacks=[seen]
    )

    checkpoint = torch.load(runs.find(LATEST) / "last.pt", weights_only=True)
    assert len(measured) == 1
    assert measured[0] in (runs.find(LATEST) / "train.log").read_text()
    assert f"threads: {manifest['threads']}, as when the run began; training.threads is not used" in caplog.messages
    assert manifest["threads"] in {1, 2, 4}
    assert during == [checkpoint["threads"]] == [manifest["threads"]]
    assert torch.get_num_threads() == 3


def test_the_parameter_and_the_environment_fix_the_threads_without_a_measurement(
    make: Make, four_free_threads: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hardware, "measure_step", lambda trainer, count, longest=0.0: pytest.fail("it was measured"))

    configured, safe = choose_threads(make(threads=3)).threads, choose_threads(make(deterministic=True)).threads
    monkeypatch.setenv("OMP_NUM_THREADS", "4")

    assert (configured, safe) == (3, 1)
    assert choose_threads(make()).threads == 4


def test_cuda_without_a_gpu_is_an_error() -> None:
    assert choose_device("cpu") == torch.device("cpu")
    if not torch.cuda.is_available():
        assert choose_device("auto") == torch.device("cpu")
        with pytest.raises(InputError, match="training.device is cuda, but torch finds no GPU"):
            choose_device("cuda")
