"""Run folders: one for each training, never overwritten."""

import fcntl
import hashlib
import json
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ..files import atomic_write, read_json
from ..locks import exclusive_lock
from ..logs import log_to_file
from ..params import InputError, Params

LATEST, MANIFEST, METRICS, HEARTBEAT = "latest", "manifest.json", "metrics.jsonl", "heartbeat.json"
STOP_FILE, LOCK, TRAIN_LOG = "stop", "lock", "train.log"


class EnsembleMember(Params):
    """One trained network of a run."""

    seed: int
    folder: str  # folder of its checkpoints, relative to the run folder
    best_score: float | None  # by training.selection; None if no epoch had a defined score
    epochs: int  # number of trained epochs
    steps: int  # number of trained steps


class TrainedRun(Params):
    """A finished run and its networks."""

    run: str
    members: tuple[EnsembleMember, ...]


@dataclass(frozen=True)
class Runs:
    """The folder of all runs, and the state of this code for their manifests."""

    folder: Path
    commit: str  # git commit
    is_dirty: bool  # the checkout has changes that are not committed

    def find(self, name: str) -> Path:
        """Find a run by its name; ``latest`` is the one that was trained last."""
        folder = self.folder / name
        if not (folder / MANIFEST).exists():
            raise InputError(
                f"There is no run {name!r} in {self.folder}; there are {', '.join(self.names()) or 'none'}."
            )
        return folder.resolve()

    def names(self) -> Sequence[str]:
        """List all runs, the oldest first."""
        return sorted(path.parent.name for path in self.folder.glob(f"[!.l]*/{MANIFEST}"))

    @contextmanager
    def lock(self, folder: Path) -> Iterator[None]:
        """Lock a run for training; the system releases the lock when the process ends."""
        with exclusive_lock(folder / LOCK, f"Run {folder.name} is being trained by another process."):
            yield

    @contextmanager
    def lock_and_log(self, folder: Path) -> Iterator[None]:
        """Lock a run for training, and write log lines into its folder."""
        with self.lock(folder), log_to_file(folder / TRAIN_LOG):
            yield

    def is_free(self, name: str) -> bool:
        """Return whether a run of that name exists and no process trains it."""
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

    def create(self, manifest: dict[str, object]) -> Path:
        """Create the folder of a new run, and point ``latest`` at it."""
        text = json.dumps(manifest, indent=2, sort_keys=True)
        name = f"{datetime.now():%Y%m%d-%H%M%S-%f}-{hashlib.sha256(text.encode()).hexdigest()[:6]}"
        folder = self.folder / name
        folder.mkdir(parents=True)
        with atomic_write(folder / MANIFEST) as partial:
            partial.write_text(text)
        self.set_latest(name)
        return folder

    def set_latest(self, name: str) -> None:
        """Point ``latest`` at a run, atomically."""
        pointer = self.folder / f".{name}.{secrets.token_hex(4)}"
        pointer.symlink_to(name)
        pointer.replace(self.folder / LATEST)


class StoredFields(dict[str, Any]):
    """The fields of a JSON file; a missing one is an `InputError` that names the file."""

    def __init__(self, path: Path) -> None:
        fields = read_json(path)
        super().__init__(fields if isinstance(fields, dict) else {})
        self.path = path

    def __missing__(self, name: str) -> None:
        raise InputError(f"{self.path} was written by another version of this project: it has no {name!r}.")


def read_manifest(folder: Path) -> StoredFields:
    """Read the manifest of a run."""
    return StoredFields(folder / MANIFEST)
