"""The ML dataset turned into a panel: whole days are scaled, rounded to 16 bits and sorted by stock."""

from collections.abc import Iterator, Sequence
from datetime import date

import numpy as np
import polars as pl
import torch

from ..progress import track_progress
from ..schema import CODE, DATE, SECTOR, target_columns
from .index import PanelIndex
from .scaler import Scaler
from .store import PanelMetadata
from .write import PanelDraft, PanelRows

VALUES_AT_ONCE = 100_000_000  # features of the rows that are scaled together


def draft_panel(frame: pl.LazyFrame, index: PanelIndex, scaler: Scaler, entry_lag: int) -> PanelDraft:
    """Describe the panel of an ML dataset; its rows are read when they are written."""
    scaler.require_features(frame.collect_schema().names())
    targets = target_columns(frame.collect_schema())
    metadata = PanelMetadata(
        days=tuple(index.days.tolist()),
        codes=tuple(index.codes),
        sectors=_sectors(frame, index.codes),
        features=tuple(scaler.names()),
        feature_hash=scaler.feature_hash,
        horizons=tuple(targets.values()),
        entry_lag=entry_lag,
    )
    pieces = _read_rows(frame, index, scaler, list(targets))
    return PanelDraft(metadata, index.row_of, index.eligible, index.rows, pieces)


def _sectors(frame: pl.LazyFrame, codes: Sequence[str]) -> tuple[tuple[tuple[date, str], ...], ...]:
    """List each stock's sectors, each with the first day on which it is known; none where the dataset has none."""
    if SECTOR not in frame.collect_schema():
        return ((),) * len(codes)
    named = frame.filter(pl.col(CODE).is_in(list(codes))).select(DATE, CODE, pl.col(SECTOR).cast(pl.String))
    known = named.drop_nulls().sort(CODE, DATE)
    is_new = pl.col(SECTOR).ne_missing(pl.col(SECTOR).shift()) | (pl.col(CODE) != pl.col(CODE).shift())
    sectors: dict[str, list[tuple[date, str]]] = {code: [] for code in codes}
    for day, code, sector in known.filter(is_new).collect().iter_rows():
        sectors[code].append((day, sector))
    return tuple(map(tuple, sectors.values()))


def _read_rows(frame: pl.LazyFrame, index: PanelIndex, scaler: Scaler, targets: list[str]) -> Iterator[PanelRows]:
    periods = _cut_days(index, VALUES_AT_ONCE // max(len(scaler.features), 1))
    wanted = [DATE, CODE, *scaler.names(), *targets]
    for first, last in track_progress(periods, "panel, periods", len(periods)):
        inside = pl.col(DATE).is_between(index.days[first].item(), index.days[last].item())
        yield _place(frame.filter(inside).select(wanted).collect(), index, scaler, targets)


def _cut_days(index: PanelIndex, most_rows: int) -> list[tuple[int, int]]:
    """Cut the days into periods of about ``most_rows`` observations."""
    seen = np.cumsum((index.row_of >= 0).sum(axis=1))
    period = (seen - 1) // most_rows
    starts = np.flatnonzero(np.diff(period, prepend=-1))
    ends = np.append(starts[1:], len(period)) - 1
    return list(zip(starts.tolist(), ends.tolist(), strict=True))


def _place(rows: pl.DataFrame, index: PanelIndex, scaler: Scaler, targets: list[str]) -> PanelRows:
    """Scale some whole days and sort them as the panel lies."""
    day, stock = index.find(rows)
    place = index.row_of[day, stock]
    order = np.argsort(place)
    scaled = scaler.scale(rows).to_numpy()  # float32 (feature, observation) in memory
    known = rows.select(pl.col(targets).cast(pl.Float32)).to_numpy()
    narrow = torch.from_numpy(scaled.T).half().T[torch.from_numpy(order)]
    days, market = _measure_days(scaled, day, index.eligible[day, stock])
    return PanelRows(
        place[order].astype(np.int64), narrow.contiguous().numpy(), np.ascontiguousarray(known[order]), days, market
    )


def _measure_days(scaled: np.ndarray, day: np.ndarray, eligible: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Measure mean and deviation of every feature over each day's universe; 0 where nothing is known."""
    days, counts = np.unique(day, return_counts=True)
    by_day = torch.from_numpy(scaled[np.argsort(day, kind="stable")])
    inside = torch.from_numpy(eligible[np.argsort(day, kind="stable")]).unsqueeze(1)
    pairs = zip(torch.split(by_day, counts.tolist()), torch.split(inside, counts.tolist()), strict=True)
    return days, torch.stack([_measure_day(values, there) for values, there in pairs]).numpy()


def _measure_day(values: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
    known = inside & ~values.isnan()  # (observation, feature)
    count = known.sum(0).clamp(min=1)
    values = values.where(known, 0)
    mean = values.sum(0, dtype=torch.float64) / count
    square = values.square().sum(0, dtype=torch.float64) / count
    return torch.cat([mean, (square - mean.square()).clamp(min=0).sqrt()]).float()
