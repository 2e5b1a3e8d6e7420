"""Runs: a folder for each training, never overwritten, found by its name."""

import fcntl
import hashlib
import json
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ..files import atomic_write
from ..locks import exclusive_lock
from ..logs import log_to_file
from ..params import InputError, Params

LATEST, MANIFEST, METRICS, HEARTBEAT = "latest", "manifest.json", "metrics.jsonl", "heartbeat.json"
STOP_FILE, LOCK, TRAIN_LOG = "stop", "lock", "train.log"


class Member(Params):
    """One trained network of a run."""

    seed: int
    folder: str  # of its checkpoints, in the run's
    best_score: float | None  # by training.selection; None where no epoch had one
    epochs: int
    steps: int


class TrainedRun(Params):
    """What a training left: its run, and how good each network's best epoch was on the validation days."""

    run: str
    members: tuple[Member, ...]


@dataclass(frozen=True)
class Runs:
    """The folder of all runs, and the state of the code that trains now."""

    folder: Path
    commit: str
    is_dirty: bool

    def find(self, name: str) -> Path:
        """Find a run by its name; ``latest`` is the one that was trained last."""
        found = self.folder / name
        if not (found / MANIFEST).exists():
            raise InputError(
                f"There is no run {name!r} in {self.folder}; there are {', '.join(self.names()) or 'none'}."
            )
        return found.resolve()

    def names(self) -> Sequence[str]:
        """List all runs, the oldest first."""
        return sorted(path.parent.name for path in self.folder.glob(f"[!.l]*/{MANIFEST}"))

    @contextmanager
    def alone(self, folder: Path) -> Iterator[None]:
        """Be the only process that trains in a run; the system lets go when a process ends, however it does."""
        with exclusive_lock(folder / LOCK, f"Run {folder.name} is being trained by another process."):
            yield

    @contextmanager
    def open_to_train(self, folder: Path) -> Iterator[None]:
        """Be the only process that trains in a run's folder, and log into it."""
        with self.alone(folder), log_to_file(folder / TRAIN_LOG):
            yield

    def is_free(self, name: str) -> bool:
        """Say whether there is a run of that name, and no process trains in it."""
        if not (self.folder / name / MANIFEST).exists():
            return False
        lock = self.folder / name / LOCK
        if not lock.exists():
            return True
        with lock.open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
        return True

    def begin(self, manifest: dict[str, object]) -> Path:
        """Make a new run's folder, and let ``latest`` point at it."""
        text = json.dumps(manifest, indent=2, sort_keys=True)
        name = f"{datetime.now():%Y%m%d-%H%M%S-%f}-{hashlib.sha256(text.encode()).hexdigest()[:6]}"
        made = self.folder / name
        made.mkdir(parents=True)
        with atomic_write(made / MANIFEST) as partial:
            partial.write_text(text)
        self.point_at(name)
        return made

    def point_at(self, name: str) -> None:
        """Let ``latest`` be the run that is trained now."""
        pointer = self.folder / f".{name}.{secrets.token_hex(4)}"
        pointer.symlink_to(name)
        pointer.replace(self.folder / LATEST)
