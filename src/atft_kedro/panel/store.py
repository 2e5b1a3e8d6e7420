"""The panel on disk: tensors that are mapped, not read, and known by the hash of what they hold."""

import hashlib
import json
import logging
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Self

import numpy as np
import torch

from ..params import InputError, Params

HEADER = "panel.json"
FEATURES, TARGETS, ROW_OF, ELIGIBLE, MARKET = TENSORS = (
    "features.npy",
    "targets.npy",
    "row_of.npy",
    "eligible.npy",
    "market.npy",
)
AGAIN = "Make the panel again: kedro run --pipelines prepare --no-cache"
CHUNK = 64 << 20  # bytes that are hashed at once

_logger = logging.getLogger(__name__)


class PanelMetadata(Params):
    """What the numbers of a panel stand for."""

    days: tuple[date, ...]
    codes: tuple[str, ...]
    sectors: tuple[tuple[tuple[date, str], ...], ...]  # of each code: each sector, and the day from which it holds
    features: tuple[str, ...]
    feature_hash: str  # the feature catalogue's hash
    horizons: tuple[int, ...]
    entry_lag: int


class FileState(Params):
    """What a file of the panel was when it was written."""

    size: int
    modified_ns: int
    digest: str


class PanelHeader(Params):
    """The panel's first file: read whole, checked, and enough to map the others.

    They lie in ``folder`` beside it. A panel that is made anew has another folder, and a new header leads to it.
    """

    identity: str
    folder: str
    metadata: PanelMetadata
    files: dict[str, FileState]

    def find_damaged(self, home: Path) -> list[str]:
        """List the files that are gone or not as long as they were written."""
        places = {name: home / self.folder / name for name in self.files}
        return [
            name
            for name, place in places.items()
            if not place.exists() or place.stat().st_size != self.files[name].size
        ]


@dataclass(frozen=True)
class Panel:
    """The market in memory. A feature is NaN where it is missing, a target where it is unknown.

    One row more than there are observations, the last and all NaN, stands for what is absent.
    """

    metadata: PanelMetadata
    identity: str
    features: torch.Tensor  # float16 (row, feature)
    targets: torch.Tensor  # float32 (row, horizon)
    row_of: torch.Tensor  # int32 (day, stock); −1: not traded
    eligible: torch.Tensor  # bool (day, stock)
    market: torch.Tensor  # float32 (day, 2 features), mean and deviation of each feature over the day's universe

    @property
    def days(self) -> np.ndarray:
        """List the trading days."""
        return np.array(self.metadata.days, dtype="datetime64[D]")

    def to(self, device: torch.device | str) -> Self:
        """Copy the tensors to a device."""
        moved = {
            name: getattr(self, name).to(device) for name in ("features", "targets", "row_of", "eligible", "market")
        }
        return replace(self, **moved)

    def require_training(self, run: str, identity: str) -> None:
        """Refuse to stand for the panel that a run was trained on when it is another one."""
        if self.identity != identity:
            raise InputError(f"Run {run} was trained on panel {identity}, and the panel is now {self.identity}.")

    def require_features(self, feature_hash: str, names: tuple[str, ...]) -> None:
        """Refuse a model that needs other features."""
        own = self.metadata.features
        if self.metadata.feature_hash == feature_hash and own == names:
            return
        missing = [name for name in names if name not in own]
        unknown = [name for name in own if name not in names]
        raise InputError(
            f"The panel holds {len(own)} features (hash {self.metadata.feature_hash}), the model needs {len(names)} "
            f"(hash {feature_hash}). Missing in the panel: {missing[:5]}; unknown to the model: {unknown[:5]}. "
            "Prepare the panel with the model's feature set."
        )


def open_panel(folder: Path) -> Panel:
    """Map the panel. A file whose size or time of change is not as written is refused unless it holds the same.

    It is hashed then, once: a copied panel is as good as the first. What changes a file and puts its time back
    is not seen.
    """
    header = read_header(folder)
    while True:
        try:
            return _open_tensors(folder / header.folder, header)
        except (InputError, FileNotFoundError):
            newer = read_header(folder)
            if newer.folder == header.folder:
                raise
            header = newer  # it was made anew just now


def _open_tensors(folder: Path, header: PanelHeader) -> Panel:
    for name, state in header.files.items():
        _require_unchanged(folder / name, state)
    tensors = [_map(folder / name) for name in TENSORS]
    return Panel(header.metadata, header.identity, *tensors)


def identify(metadata: PanelMetadata, files: dict[str, FileState]) -> str:
    """Hash what a panel holds and means."""
    parts = [metadata.model_dump_json(), *(f"{name} {files[name].digest}" for name in sorted(files))]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def read_header(folder: Path) -> PanelHeader:
    """Read which panel there is."""
    path = folder / HEADER
    if not path.exists():
        raise InputError(f"There is no panel at {folder}; `kedro run --pipelines prepare` makes one.")
    try:
        header = PanelHeader.model_validate(json.loads(path.read_text()))
    except ValueError as error:
        raise InputError(f"{path} is no panel's header: {error}. {AGAIN}") from error
    if header.identity != identify(header.metadata, header.files):
        raise InputError(f"{path} was changed after it was written. {AGAIN}")
    return header


def _require_unchanged(path: Path, state: FileState) -> None:
    if not path.exists():
        raise InputError(f"{path} is gone. {AGAIN}")
    found = path.stat()
    if found.st_size != state.size:
        raise InputError(f"{path} has {found.st_size} bytes instead of {state.size}: it was cut off. {AGAIN}")
    if found.st_mtime_ns == state.modified_ns:
        return
    _logger.info("%s is not as it was written; looking whether it still holds the same", path.name)
    if digest_file(path) != state.digest:
        raise InputError(f"{path} was changed after it was written. {AGAIN}")
    with suppress(PermissionError):
        os.utime(path, ns=(found.st_atime_ns, state.modified_ns))


def digest_file(path: Path) -> str:
    """Hash a file in pieces, several at once: the hash of the pieces' hashes."""
    size = path.stat().st_size
    with path.open("rb") as file, ThreadPoolExecutor(4) as pool:
        pieces = pool.map(lambda place: _digest_piece(file.fileno(), place), range(0, size, CHUNK))
        return hashlib.sha256(b"".join(pieces)).hexdigest()


def _digest_piece(file: int, place: int) -> bytes:
    return hashlib.sha256(os.pread(file, CHUNK, place)).digest()


def _map(path: Path) -> torch.Tensor:
    """Map an array; nothing written to the tensor ever reaches the file, which is copied on write."""
    return torch.from_numpy(np.load(path, mmap_mode="c"))
