"""Panel on disk: memory-mapped tensors, identified by the hash of their content."""

import hashlib
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
from pydantic import Field

from ..advice import advise_run
from ..files import parse_model, read_json
from ..params import InputError, Params

HEADER = "panel.json"
FEATURES, TARGETS, ROW_OF, ELIGIBLE, MARKET = TENSORS = (
    "features.npy",
    "targets.npy",
    "row_of.npy",
    "eligible.npy",
    "market.npy",
)
CHUNK = 64 << 20  # bytes; a file is hashed in chunks of this size

_logger = logging.getLogger(__name__)


class PanelMetadata(Params):
    """Days, codes, sectors, features and horizons: the axes of a panel's tensors."""

    days: tuple[date, ...]
    codes: tuple[str, ...]
    sectors: tuple[tuple[tuple[date, str], ...], ...]  # per code: (first day, sector) of each change
    features: tuple[str, ...]
    feature_hash: str  # of the feature catalogue
    horizons: tuple[int, ...]
    entry_lag: int
    delisting_dates: dict[str, date] = Field(default_factory=dict)  # of stocks whose targets contain their last return


class FileState(Params):
    """Size, modification time and hash of a panel's file when it was written."""

    size: int
    modified_ns: int
    digest: str


class PanelHeader(Params):
    """Header of a panel, small enough to read and check completely at each use.

    The tensors are in ``folder`` next to it. A panel that is built again has another folder and a new header.
    """

    identity: str
    folder: str
    metadata: PanelMetadata
    files: dict[str, FileState]

    def find_damaged(self, home: Path) -> list[str]:
        """List the files that are missing or have another size than written."""
        paths = {name: home / self.folder / name for name in self.files}
        return [
            name for name, path in paths.items() if not path.exists() or path.stat().st_size != self.files[name].size
        ]


def advise_new_panel() -> str:
    """Advise the command that builds the panel again."""
    return f"Build the panel again: {advise_run('--pipelines prepare --no-cache')}"


@dataclass(frozen=True)
class Panel:
    """A panel's tensors. Missing features and unknown targets are NaN.

    The last row, after all observations, is all NaN and represents absent observations.
    """

    metadata: PanelMetadata
    identity: str
    features: torch.Tensor  # float16 (row, feature)
    targets: torch.Tensor  # float32 (row, horizon)
    row_of: torch.Tensor  # int32 (day, stock); −1: the stock has no observation
    eligible: torch.Tensor  # bool (day, stock)
    market: torch.Tensor  # float32 (day, 2 × feature): means of the features over the day's universe, then deviations

    @property
    def days(self) -> np.ndarray:
        """List the trading days."""
        return np.array(self.metadata.days, dtype="datetime64[D]")

    def to(self, device: torch.device | str) -> Self:
        """Copy the tensors to a device."""
        names = ("features", "targets", "row_of", "eligible", "market")
        return replace(self, **{name: getattr(self, name).to(device) for name in names})

    def require_same(self, run: str, identity: str) -> None:
        """Refuse a run that was trained on another panel."""
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
    """Map the panel's tensors; refuse files that were changed after writing.

    A file of the written size with another modification time, such as a copy, is hashed once. A changed file with the
    written size and time is not detected.
    """
    header = read_header(folder)
    while True:
        try:
            for name, state in header.files.items():
                _require_unchanged(folder / header.folder / name, state)
            tensors = [_map(folder / header.folder / name) for name in TENSORS]
            return Panel(header.metadata, header.identity, *tensors)
        except (InputError, FileNotFoundError):
            newer = read_header(folder)
            if newer.folder == header.folder:
                raise
            header = newer  # another process has just replaced the panel


def compute_identity(metadata: PanelMetadata, files: dict[str, FileState]) -> str:
    """Hash a panel's metadata and tensors."""
    axes = metadata.model_dump_json(exclude_defaults=True)  # newer fields do not change the identity of older panels
    lines = [axes, *(f"{name} {files[name].digest}" for name in sorted(files))]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def read_header(folder: Path) -> PanelHeader:
    """Read and check the header of a panel."""
    path = folder / HEADER
    if not path.exists():
        raise InputError(f"There is no panel at {folder}; `{advise_run('--pipelines prepare')}` builds one.")
    try:
        header = parse_model(read_json(path), PanelHeader, path)
    except InputError as error:
        raise InputError(f"{error} {advise_new_panel()}") from error
    if header.identity != compute_identity(header.metadata, header.files):
        raise InputError(f"{path} was changed after it was written. {advise_new_panel()}")
    return header


def _require_unchanged(path: Path, state: FileState) -> None:
    if not path.exists():
        raise InputError(f"{path} is missing. {advise_new_panel()}")
    status = path.stat()
    if status.st_size != state.size:
        sizes = f"{status.st_size} bytes instead of {state.size}"
        raise InputError(f"{path} has {sizes}: it is truncated. {advise_new_panel()}")
    if status.st_mtime_ns == state.modified_ns:
        return
    _logger.info("%s has another modification time than written; comparing its hash", path.name)
    if digest_file(path) != state.digest:
        raise InputError(f"{path} was changed after it was written. {advise_new_panel()}")
    with suppress(PermissionError):
        os.utime(path, ns=(status.st_atime_ns, state.modified_ns))


def digest_file(path: Path) -> str:
    """Hash a file in chunks, several at once: the hash of the chunks' hashes."""
    size = path.stat().st_size
    with path.open("rb") as file, ThreadPoolExecutor(4) as pool:
        digests = pool.map(
            lambda start: hashlib.sha256(os.pread(file.fileno(), CHUNK, start)).digest(), range(0, size, CHUNK)
        )
        return hashlib.sha256(b"".join(digests)).hexdigest()


def _map(path: Path) -> torch.Tensor:
    """Map an array copy-on-write: changes of the tensor never reach the file."""
    return torch.from_numpy(np.load(path, mmap_mode="c"))
