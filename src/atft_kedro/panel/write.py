"""Writing of a panel in one pass over its rows, atomically to a folder or into memory."""

import itertools
import os
import secrets
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import DTypeLike

from ..files import atomic_write
from .store import (
    ELIGIBLE,
    FEATURES,
    HEADER,
    MARKET,
    ROW_OF,
    TARGETS,
    TENSORS,
    FileState,
    Panel,
    PanelHeader,
    PanelMetadata,
    compute_identity,
    digest_file,
)

IN_MEMORY = "held in memory"  # identity of a panel without files


class PanelRows(NamedTuple):
    """The rows of complete days, sorted by panel row."""

    rows: np.ndarray  # int64 (observation,)
    features: np.ndarray  # float16 (observation, feature)
    targets: np.ndarray  # float32 (observation, horizon)
    days: np.ndarray  # int64 (day,)
    market: np.ndarray  # float32 (day, 2 features), means and standard deviations of the features on these days


@dataclass(frozen=True)
class PanelPlan:
    """A panel to be written; ``batches`` computes its rows, in any order, during writing."""

    metadata: PanelMetadata
    row_of: np.ndarray  # int32 (day, stock)
    eligible: np.ndarray  # bool (day, stock)
    rows: int  # without the last one, which represents absent observations
    batches: Iterable[PanelRows]


def build_panel_in_memory(plan: PanelPlan) -> Panel:
    """Build a small panel in memory, equal to the one that `write_panel` writes."""
    metadata = plan.metadata
    features = np.full((plan.rows + 1, len(metadata.features)), np.nan, dtype=np.float16)
    targets = np.full((plan.rows + 1, len(metadata.horizons)), np.nan, dtype=np.float32)
    market = np.zeros((len(metadata.days), 2 * len(metadata.features)), dtype=np.float32)
    for batch in plan.batches:
        features[batch.rows], targets[batch.rows] = batch.features, batch.targets
        market[batch.days] = batch.market
    tensors = (features, targets, plan.row_of, plan.eligible, market)
    return Panel(metadata, IN_MEMORY, *map(torch.from_numpy, tensors))


def write_panel(folder: Path, plan: PanelPlan) -> None:
    """Write the panel to a new folder inside ``folder``, then the header that points to it.

    Everything else in ``folder`` is removed at the end, such as older panels. Processes that have mapped their files
    keep them. On an error ``folder`` is unchanged.
    """
    name = secrets.token_hex(8)
    try:
        with atomic_write(folder / name, is_folder=True) as partial:
            header = _write_files(partial, plan).model_copy(update={"folder": name})
        with atomic_write(folder / HEADER) as partial:
            partial.write_text(header.model_dump_json(indent=1))
    except BaseException:
        shutil.rmtree(folder / name, ignore_errors=True)
        with suppress(OSError):  # it contains an older panel
            folder.rmdir()
        raise
    for other in folder.iterdir():
        if other.is_dir() and other.name != name:
            shutil.rmtree(other, ignore_errors=True)
        elif other.name not in (HEADER, name):
            other.unlink(missing_ok=True)


def _write_files(folder: Path, plan: PanelPlan) -> PanelHeader:
    metadata = plan.metadata
    np.save(folder / ROW_OF, plan.row_of)
    np.save(folder / ELIGIBLE, plan.eligible)
    with (
        _open_rows(folder / FEATURES, (plan.rows + 1, len(metadata.features)), np.float16) as features,
        _open_rows(folder / TARGETS, (plan.rows + 1, len(metadata.horizons)), np.float32) as targets,
    ):
        written = 0
        market = np.zeros((len(metadata.days), 2 * len(metadata.features)), dtype=np.float32)
        for batch in plan.batches:
            market[batch.days] = batch.market
            features.write(batch.rows, batch.features)
            targets.write(batch.rows, batch.targets)
            written += len(batch.rows)
        assert written == plan.rows, f"{written} of {plan.rows} rows were written"
        absent = np.array([plan.rows])  # the last row, which represents absent observations
        features.write(absent, np.full((1, len(metadata.features)), np.nan, dtype=np.float16))
        targets.write(absent, np.full((1, len(metadata.horizons)), np.nan, dtype=np.float32))
    np.save(folder / MARKET, market)
    files = {name: _describe_file(folder / name) for name in TENSORS}
    return PanelHeader(identity=compute_identity(metadata, files), folder=folder.name, metadata=metadata, files=files)


def _describe_file(path: Path) -> FileState:
    status = path.stat()
    return FileState(size=status.st_size, modified_ns=status.st_mtime_ns, digest=digest_file(path))


@dataclass(frozen=True)
class _RowWriter:
    """Writes rows of a matrix to any position of a file, without keeping them in memory."""

    file: int
    start: int
    row_bytes: int

    def write(self, rows: np.ndarray, values: np.ndarray) -> None:
        """Write ``values`` with one call per run of consecutive rows."""
        assert values.flags.c_contiguous
        assert values.nbytes == len(rows) * self.row_bytes
        data = values.reshape(-1).view(np.uint8).data
        edges = np.flatnonzero(np.diff(rows) != 1) + 1
        for first, end in itertools.pairwise([0, *edges.tolist(), len(rows)]):
            remaining = data[first * self.row_bytes : end * self.row_bytes]
            offset = self.start + int(rows[first]) * self.row_bytes
            while remaining:
                done = os.pwrite(self.file, remaining, offset)
                remaining, offset = remaining[done:], offset + done


@contextmanager
def _open_rows(path: Path, shape: tuple[int, int], dtype: DTypeLike) -> Iterator[_RowWriter]:
    """Create an ``.npy`` file of its final size, so that a full disk fails before any work."""
    matrix = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
    start, size = matrix.offset, matrix.offset + matrix.nbytes
    del matrix
    file = os.open(path, os.O_WRONLY)
    try:
        if sys.platform == "linux":
            os.posix_fallocate(file, 0, size)
        yield _RowWriter(file, start, shape[1] * np.dtype(dtype).itemsize)
    finally:
        os.close(file)
