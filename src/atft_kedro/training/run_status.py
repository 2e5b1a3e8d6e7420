"""The state of a training, read from its run folder, and how to stop it."""

import os
import signal
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil

from ..files import parse_model, read_json, read_json_lines
from ..panel.split import Split
from ..params import InputError, Params
from .params import TrainingParams
from .runs import HEARTBEAT, MANIFEST, METRICS, STOP_FILE, TRAIN_LOG
from .telemetry import ALLOCATOR, COUNTERS, START

STALE = 120.0  # seconds without a heartbeat after which a run on another machine counts as dead
LOOK_EVERY = 0.1


class RunStatus(Params):
    """A run as its last heartbeat tells it, and whether anybody is behind that."""

    run: str
    state: str
    seed: int
    phase: str
    epoch: int
    epochs_of_phase: int
    steps: int
    total_steps: int
    metric: str  # that the best weights are chosen by
    score: float | None = None  # of the last epoch; None where it is undefined
    best: float | None  # None where no score is defined
    best_weights: str = ""  # which weights reached it; empty of an older run
    seconds_left: float | None
    pid: int
    host: str
    age: float
    load: dict[str, float]  # of its machine

    def rows(self) -> dict[str, str]:
        """Say it all in words."""
        left = "-" if self.seconds_left is None else str(timedelta(seconds=round(self.seconds_left)))
        which = f": {self.best_weights}" if self.best_weights else ""
        score = "-"
        if self.score is not None or self.best is not None:
            last, best = ("undefined" if value is None else f"{value:.4f}" for value in (self.score, self.best))
            score = f"{last}, averaged weights of the last epoch (best {best}{which})"
        return {
            "state": f"{self.state} (pid {self.pid} on {self.host}, heard of {self.age:.0f} s ago)",
            "phase": f"{self.phase}, epoch {self.epoch} of {self.epochs_of_phase} done (seed {self.seed})",
            "step": f"{self.steps} of {self.total_steps}",
            "left": left if self.state == "training" else "-",
            f"validation {self.metric}": score,
            **say_load(self.load),
        }


def read_status(folder: Path) -> RunStatus:
    """Read a run's heartbeat, and look for its process."""
    beat = folder / HEARTBEAT
    if not beat.exists():
        raise InputError(f"Run {folder.name} has no heartbeat: it has not made its first step.")
    told = read_json(beat)
    age = time.time() - told["time"]
    state = told["state"]
    if state == "training" and not _is_alive(told["pid"], told["host"], age):
        state = "dead"
    fields = {name: told[name] for name in RunStatus.model_fields if name in told and name != "state"}
    load = {name: told[name] for name in LOAD if name in told}
    return RunStatus(run=folder.name, state=state, age=age, load=load, **fields)


def _is_alive(pid: int, host: str, age: float) -> bool:
    """Look for a process here; of another machine only its heartbeat can be heard."""
    if host != os.uname().nodename:
        return age < STALE
    try:
        process = psutil.Process(pid)
        is_another = process.create_time() > time.time() - age
        return not is_another and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def read_history(folder: Path, most: int | None = None) -> list[dict[str, Any]]:
    """Read the epochs' lines, or the last of them."""
    log = folder / METRICS
    if not log.exists():
        return []
    lines = read_json_lines(log, '"train_loss"')
    return lines if most is None else lines[-most:]


def read_log(folder: Path, most: int) -> list[str]:
    """Read the newest lines of what was logged during a run's training."""
    log = folder / TRAIN_LOG
    return log.read_text(encoding="utf-8").splitlines()[-most:] if log.exists() else []


def read_max_gradient(folder: Path) -> float | None:
    """Find the largest norm that a step's gradient had before it was clipped; skipped steps have none that counts."""
    log = folder / METRICS
    if not log.exists():
        return None
    steps = read_json_lines(log, '"gradient": ')
    return max((step["gradient"] for step in steps if not step["skipped"]), default=None)


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read what a run was made of."""
    manifest: dict[str, Any] = read_json(folder / MANIFEST)
    if "split" in manifest:
        parse_model(manifest["split"], Split, folder / MANIFEST)
    return manifest


def read_training(folder: Path) -> TrainingParams:
    """Read the training parameters of a run."""
    return parse_model(read_manifest(folder).get("training"), TrainingParams, folder / MANIFEST)


def read_entry_lag(folder: Path, configured: int) -> int:
    """Read the entry lag of a run's targets; a run that did not write it down has the configured one."""
    lag: int = read_manifest(folder).get("entry_lag", configured)
    return lag


def request_stop(folder: Path, wait: float) -> RunStatus:
    """Ask a training to stop after its step, and wait until it has."""
    _require_training(read_status(folder))
    (folder / STOP_FILE).touch()
    return _wait_for_end(folder, wait)


def kill(folder: Path) -> RunStatus:
    """Kill a training of this machine."""
    told = _require_training(read_status(folder))
    if told.host != os.uname().nodename:
        raise InputError(f"Run {folder.name} is on {told.host}; it can only be killed there.")
    os.kill(told.pid, signal.SIGKILL)
    return _wait_for_end(folder, wait=10.0)


def _wait_for_end(folder: Path, wait: float) -> RunStatus:
    end = time.monotonic() + wait
    while (told := read_status(folder)).state == "training":
        if time.monotonic() > end:
            raise InputError(f"Run {folder.name} has not ended after {wait:g} s; it will after its step.")
        time.sleep(LOOK_EVERY)
    return told


def _require_training(told: RunStatus) -> RunStatus:
    if told.state != "training":
        raise InputError(f"Run {told.run} is not training: it is {told.state} after step {told.steps}.")
    return told


LOAD = (START, "memory_gb", "peak_memory_gb", *ALLOCATOR, *COUNTERS)


def say_load(told: Mapping[str, float]) -> dict[str, str]:
    """Say what is known of memory and GPU, and nothing of what is not."""
    said = {"memory": _say_memory(told), "GPU": _say_gpu(told), "GPU memory": _say_gpu_memory(told)}
    return {name: ", ".join(words) for name, words in said.items() if words}


def _say_memory(told: Mapping[str, float]) -> list[str]:
    now = [f"{told['memory_gb']:.2f} GB"] if "memory_gb" in told else []
    began = f" since the training began with {told[START]:.2f} GB" if START in told else ""
    return now + [f"at most {told['peak_memory_gb']:.2f} GB{began}"] if "peak_memory_gb" in told else now


def _say_gpu(told: Mapping[str, float]) -> list[str]:
    units = {"gpu_utilisation": "% busy", "gpu_temperature": "°C"}
    said = [f"{told[name]:.0f} {unit}" for name, unit in units.items() if name in told]
    if "gpu_power_w" in told:
        limit = f" of {told['gpu_power_limit_w']:.0f}" if "gpu_power_limit_w" in told else ""
        said.append(f"{told['gpu_power_w']:.0f}{limit} W")
    return said


def _say_gpu_memory(told: Mapping[str, float]) -> list[str]:
    said = []
    if "gpu_memory_used_gb" in told:
        said.append(f"{told['gpu_memory_used_gb']:.1f} of {told['gpu_memory_total_gb']:.1f} GB taken")
    if "gpu_memory_allocated_gb" in told:
        own = f"{told['gpu_memory_allocated_gb']:.2f} GB by tensors (at most {told['peak_gpu_memory_gb']:.2f})"
        said += [own, f"{told['gpu_memory_reserved_gb']:.2f} GB kept for them"]
    short = {"gpu_memory_retries": "times short of it", "gpu_memory_ooms": "times out of it"}
    return said + [f"{told[name]:.0f} {word}" for name, word in short.items() if told.get(name)]
