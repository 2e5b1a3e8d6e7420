"""The state of a training, read from its run folder, and how to stop it."""

import os
import signal
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil

from ..files import parse_model, read_json_lines
from ..params import InputError, Params
from .params import TrainingParams
from .runs import HEARTBEAT, MANIFEST, METRICS, STOP_FILE, TRAIN_LOG, StoredFields, read_manifest
from .telemetry import ALLOCATOR_KEYS, GPU_COUNTERS, MEMORY_AT_START

STALE_SECONDS = 120.0  # after so long without a heartbeat, the process of a run on another machine counts as dead
POLL_SECONDS = 0.1
LOAD = (MEMORY_AT_START, "memory_gb", "peak_memory_gb", *ALLOCATOR_KEYS, *GPU_COUNTERS)


class RunStatus(Params):
    """A run's last heartbeat, and the state of its process."""

    run: str
    state: str  # training, stopped, done, or dead: the process ended without finishing
    seed: int
    phase: str
    epoch: int
    epochs_of_phase: int
    steps: int
    total_steps: int
    metric: str  # name of the score that chooses the best weights
    score: float | None = None  # score of the last epoch; None if it is undefined
    best: float | None  # best score so far; None if no score is defined
    best_weights: str = ""  # description of the weights with the best score
    seconds_left: float | None
    pid: int
    host: str
    age: float  # seconds since the heartbeat
    load: dict[str, float]  # memory of the process and counters of its GPU

    def rows(self) -> dict[str, str]:
        """Format the status as rows of a table."""
        left = "-" if self.seconds_left is None else str(timedelta(seconds=round(self.seconds_left)))
        weights = f": {self.best_weights}" if self.best_weights else ""
        score = "-"
        if self.score is not None or self.best is not None:
            last, best = ("undefined" if value is None else f"{value:.4f}" for value in (self.score, self.best))
            score = f"{last}, EMA weights of the last epoch (best {best}{weights})"
        return {
            "state": f"{self.state} (pid {self.pid} on {self.host}, last heartbeat {self.age:.0f} s ago)",
            "phase": f"{self.phase}, epoch {self.epoch} of {self.epochs_of_phase} done (seed {self.seed})",
            "step": f"{self.steps} of {self.total_steps}",
            "time left": left if self.state == "training" else "-",
            f"validation {self.metric}": score,
            **format_load(self.load),
        }


def read_status(folder: Path) -> RunStatus:
    """Read a run's heartbeat, and check whether its process is alive."""
    if not (folder / HEARTBEAT).exists():
        raise InputError(f"Run {folder.name} has no heartbeat: its first step is not done.")
    heartbeat = StoredFields(folder / HEARTBEAT)
    age, state = time.time() - heartbeat["time"], heartbeat["state"]
    if state == "training" and not _is_alive(heartbeat["pid"], heartbeat["host"], age):
        state = "dead"
    fields = {name: heartbeat[name] for name in RunStatus.model_fields if name in heartbeat}
    load = {name: heartbeat[name] for name in LOAD if name in heartbeat}
    status = fields | {"run": folder.name, "state": state, "age": age, "load": load}
    return parse_model(status, RunStatus, folder / HEARTBEAT)


def _is_alive(pid: int, host: str, age: float) -> bool:
    """Check whether a process runs here; on another machine, whether its heartbeat is recent."""
    if host != os.uname().nodename:
        return age < STALE_SECONDS
    try:
        process = psutil.Process(pid)
        started_later = process.create_time() > time.time() - age  # the pid now belongs to another process
        return not started_later and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def read_history(folder: Path, count: int | None = None) -> list[dict[str, Any]]:
    """Read the metrics of all epochs, or of the last ``count`` epochs."""
    lines = _read_metrics(folder, '"train_loss"')
    return lines if count is None else lines[-count:]


def read_log(folder: Path, count: int) -> list[str]:
    """Read the last lines of a run's training log."""
    log = folder / TRAIN_LOG
    return log.read_text(encoding="utf-8").splitlines()[-count:] if log.exists() else []


def read_max_gradient(folder: Path) -> float | None:
    """Find the largest gradient norm of a step before clipping, without skipped steps."""
    steps = _read_metrics(folder, '"gradient": ')
    return max((step["gradient"] for step in steps if not step["skipped"]), default=None)


def _read_metrics(folder: Path, containing: str) -> list[dict[str, Any]]:
    log = folder / METRICS
    return read_json_lines(log, containing) if log.exists() else []


def read_training(folder: Path) -> TrainingParams:
    """Read the training parameters of a run."""
    return parse_model(read_manifest(folder)["training"], TrainingParams, folder / MANIFEST)


def count_epochs(folder: Path) -> int:
    """Count the planned epochs of a run and of the runs that it started from.

    A run of a few steps counts as 0 epochs.
    """
    training = read_training(folder)
    own = 0 if training.steps_per_phase else sum(phase.epochs for phase in training.curriculum)
    source = folder.parent / (training.init_from or "")
    return own + (count_epochs(source) if training.init_from and (source / MANIFEST).exists() else 0)


def read_entry_lag(folder: Path, configured: int) -> int:
    """Read the entry lag of a run's targets; the configured one if its manifest has none."""
    lag: int = read_manifest(folder).get("entry_lag", configured)
    return lag


def request_stop(folder: Path, wait: float) -> RunStatus:
    """Request a stop after the current step; wait up to ``wait`` seconds for the end."""
    _require_training(read_status(folder))
    (folder / STOP_FILE).touch()
    return _wait_for_end(folder, wait)


def kill_training(folder: Path) -> RunStatus:
    """Kill a training on this machine, and wait for its end."""
    status = _require_training(read_status(folder))
    if status.host != os.uname().nodename:
        raise InputError(f"Run {folder.name} is on {status.host}; it can only be killed there.")
    os.kill(status.pid, signal.SIGKILL)
    return _wait_for_end(folder, wait=10.0)


def _wait_for_end(folder: Path, wait: float) -> RunStatus:
    deadline = time.monotonic() + wait
    while (status := read_status(folder)).state == "training":
        if time.monotonic() > deadline:
            raise InputError(f"Run {folder.name} has not ended after {wait:g} s; it will end after its current step.")
        time.sleep(POLL_SECONDS)
    return status


def _require_training(status: RunStatus) -> RunStatus:
    if status.state != "training":
        raise InputError(f"Run {status.run} is not training: it is {status.state} after step {status.steps}.")
    return status


def format_load(load: Mapping[str, float]) -> dict[str, str]:
    """Format memory and GPU load as rows of a table, without unknown values."""
    rows = {"memory": _format_memory(load), "GPU": _format_gpu(load), "GPU memory": _format_gpu_memory(load)}
    return {name: ", ".join(values) for name, values in rows.items() if values}


def _format_memory(load: Mapping[str, float]) -> list[str]:
    now = [f"{load['memory_gb']:.2f} GB"] if "memory_gb" in load else []
    start = f" since the training began with {load[MEMORY_AT_START]:.2f} GB" if MEMORY_AT_START in load else ""
    return now + [f"at most {load['peak_memory_gb']:.2f} GB{start}"] if "peak_memory_gb" in load else now


def _format_gpu(load: Mapping[str, float]) -> list[str]:
    units = {"gpu_utilisation": "% busy", "gpu_temperature": "°C"}
    values = [f"{load[name]:.0f} {unit}" for name, unit in units.items() if name in load]
    if "gpu_power_w" in load:
        limit = f" of {load['gpu_power_limit_w']:.0f}" if "gpu_power_limit_w" in load else ""
        values.append(f"{load['gpu_power_w']:.0f}{limit} W")
    return values


def _format_gpu_memory(load: Mapping[str, float]) -> list[str]:
    values = []
    if "gpu_memory_used_gb" in load:
        values.append(f"{load['gpu_memory_used_gb']:.1f} of {load['gpu_memory_total_gb']:.1f} GB used")
    if "gpu_memory_allocated_gb" in load:
        allocated = f"{load['gpu_memory_allocated_gb']:.2f} GB by tensors (at most {load['peak_gpu_memory_gb']:.2f})"
        values += [allocated, f"{load['gpu_memory_reserved_gb']:.2f} GB reserved for them"]
    failures = {"gpu_memory_retries": "allocation retries", "gpu_memory_ooms": "times out of memory"}
    return values + [f"{load[name]:.0f} {label}" for name, label in failures.items() if load.get(name)]
