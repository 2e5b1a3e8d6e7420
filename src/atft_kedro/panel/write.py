"""The panel written: one pass over the rows, each put where it belongs, the whole or nothing."""

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
    PanelHeader,
    PanelMetadata,
    digest_file,
    identify,
)


class PanelRows(NamedTuple):
    """Some observations and the rows of the panel that they belong to, in ascending order."""

    rows: np.ndarray  # int64 (observation,)
    features: np.ndarray  # float16 (observation, feature)
    targets: np.ndarray  # float32 (observation, horizon)
    days: np.ndarray  # int64 (day,) that these observations are all of
    market: np.ndarray  # float32 (day, 2 features), the means and deviations of those days


@dataclass(frozen=True)
class PanelDraft:
    """A panel to be written: what it means, where everything lies, and its rows in any order."""

    metadata: PanelMetadata
    row_of: np.ndarray  # int32 (day, stock)
    eligible: np.ndarray  # bool (day, stock)
    rows: int
    pieces: Iterable[PanelRows]


def write_panel(folder: Path, draft: PanelDraft) -> None:
    """Write the whole panel or nothing, in a new folder inside ``folder``, and let the header lead to it.

    All else in ``folder`` is removed then: older panels, of earlier layouts too. Processes that have mapped their
    files keep them.
    """
    name = secrets.token_hex(8)
    try:
        with atomic_write(folder / name, is_folder=True) as partial:
            header = _write_files(partial, draft).model_copy(update={"folder": name})
        with atomic_write(folder / HEADER) as partial:
            partial.write_text(header.model_dump_json(indent=1))
    except BaseException:
        shutil.rmtree(folder / name, ignore_errors=True)
        with suppress(OSError):  # it holds an older panel
            folder.rmdir()
        raise
    for other in folder.iterdir():
        if other.is_dir() and other.name != name:
            shutil.rmtree(other, ignore_errors=True)
        elif other.name not in (HEADER, name):
            other.unlink(missing_ok=True)


def _write_files(folder: Path, draft: PanelDraft) -> PanelHeader:
    metadata = draft.metadata
    np.save(folder / ROW_OF, draft.row_of)
    np.save(folder / ELIGIBLE, draft.eligible)
    with (
        _open_rows(folder / FEATURES, (draft.rows + 1, len(metadata.features)), np.float16) as put_features,
        _open_rows(folder / TARGETS, (draft.rows + 1, len(metadata.horizons)), np.float32) as put_targets,
    ):
        written = 0
        market = np.zeros((len(metadata.days), 2 * len(metadata.features)), dtype=np.float32)
        for piece in itertools.chain(draft.pieces, [_absent(draft)]):
            market[piece.days] = piece.market
            put_features.put(piece.rows, piece.features)
            put_targets.put(piece.rows, piece.targets)
            written += len(piece.rows)
    assert written == draft.rows + 1, f"{written - 1} of {draft.rows} rows were written"
    np.save(folder / MARKET, market)
    files = {name: _state_of(folder / name) for name in TENSORS}
    identity = identify(metadata, files)
    return PanelHeader(identity=identity, folder=folder.name, metadata=metadata, files=files)


def _state_of(path: Path) -> FileState:
    found = path.stat()
    return FileState(size=found.st_size, modified_ns=found.st_mtime_ns, digest=digest_file(path))


def _absent(draft: PanelDraft) -> PanelRows:
    """Make the row that stands for what is absent."""
    features = np.full((1, len(draft.metadata.features)), np.nan, dtype=np.float16)
    targets = np.full((1, len(draft.metadata.horizons)), np.nan, dtype=np.float32)
    none = np.zeros((0, 2 * len(draft.metadata.features)), dtype=np.float32)
    return PanelRows(np.array([draft.rows]), features, targets, np.zeros(0, dtype=np.int64), none)


@dataclass(frozen=True)
class _RowWriter:
    """Writes rows of one matrix where they belong; what is written leaves this process's memory."""

    file: int
    start: int
    row_bytes: int

    def put(self, rows: np.ndarray, values: np.ndarray) -> None:
        """Write ``values`` with one call for each run of consecutive rows."""
        assert values.flags.c_contiguous
        assert values.nbytes == len(rows) * self.row_bytes
        data = values.reshape(-1).view(np.uint8).data
        edges = np.flatnonzero(np.diff(rows) != 1) + 1
        for begin, end in zip([0, *edges.tolist()], [*edges.tolist(), len(rows)], strict=True):
            piece = data[begin * self.row_bytes : end * self.row_bytes]
            place = self.start + int(rows[begin]) * self.row_bytes
            while piece:
                done = os.pwrite(self.file, piece, place)
                piece, place = piece[done:], place + done


@contextmanager
def _open_rows(path: Path, shape: tuple[int, int], dtype: DTypeLike) -> Iterator[_RowWriter]:
    """Make an ``.npy`` file of its final size; a disk that is too small says so before any work."""
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
