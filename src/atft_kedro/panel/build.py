"""Panel rows computed from the ML dataset: scaled features in 16 bits, and targets, sorted by stock."""

from collections.abc import Iterator, Sequence
from datetime import date

import numpy as np
import polars as pl
import torch

from ..params import Params
from ..progress import track_progress
from ..schema import CODE, DATE, DELISTING_DATE, SECTOR, target_columns
from .index import PanelIndex
from .scaler import Scaler
from .store import PanelMetadata
from .universe import UniverseParams
from .write import PanelPlan, PanelRows

VALUES_PER_BATCH = 100_000_000  # approximate rows times features that are scaled at once


class PanelPreparation(Params):
    """How a panel was prepared: its scaler, and the conditions of its universe."""

    scaler: Scaler
    universe: UniverseParams


def plan_panel(frame: pl.LazyFrame, index: PanelIndex, scaler: Scaler, entry_lag: int) -> PanelPlan:
    """Describe the panel of an ML dataset; its rows are computed when it is written."""
    scaler.require_features(frame.collect_schema().names())
    targets = target_columns(frame.collect_schema())
    metadata = PanelMetadata(
        days=tuple(index.days.tolist()),
        codes=tuple(index.codes),
        sectors=_list_sectors(frame, index.codes),
        features=tuple(scaler.names()),
        feature_hash=scaler.feature_hash,
        horizons=tuple(targets.values()),
        entry_lag=entry_lag,
        delisting_dates=_find_delisting_dates(frame),
    )
    batches = _compute_rows(frame, index, scaler, list(targets))
    return PanelPlan(metadata, index.row_of, index.eligible, index.rows, batches)


def _list_sectors(frame: pl.LazyFrame, codes: Sequence[str]) -> tuple[tuple[tuple[date, str], ...], ...]:
    """List each stock's sector changes as (first day, sector); empty if there is no sector column."""
    if SECTOR not in frame.collect_schema():
        return ((),) * len(codes)
    sector_rows = frame.filter(pl.col(CODE).is_in(list(codes))).select(DATE, CODE, pl.col(SECTOR).cast(pl.String))
    known_sectors = sector_rows.drop_nulls().sort(CODE, DATE)
    is_change = pl.col(SECTOR).ne_missing(pl.col(SECTOR).shift()) | (pl.col(CODE) != pl.col(CODE).shift())
    sectors: dict[str, list[tuple[date, str]]] = {code: [] for code in codes}
    for day, code, sector in known_sectors.filter(is_change).collect().iter_rows():
        sectors[code].append((day, sector))
    return tuple(map(tuple, sectors.values()))


def _find_delisting_dates(frame: pl.LazyFrame) -> dict[str, date]:
    """Map each stock whose targets contain its last return to the day on which this return is earned."""
    if DELISTING_DATE not in frame.collect_schema():
        return {}
    dates = frame.filter(pl.col(DELISTING_DATE).is_not_null()).group_by(CODE).agg(pl.col(DELISTING_DATE).max())
    return dict(dates.sort(CODE).collect().iter_rows())


def _compute_rows(frame: pl.LazyFrame, index: PanelIndex, scaler: Scaler, targets: list[str]) -> Iterator[PanelRows]:
    """Yield the scaled rows of one period after the other."""
    periods = _split_days(index, VALUES_PER_BATCH // max(len(scaler.features), 1))
    columns = [DATE, CODE, *scaler.names(), *targets]
    for first, last in track_progress(periods, "panel, periods"):
        in_period = pl.col(DATE).is_between(index.days[first].item(), index.days[last].item())
        yield _scale_rows(frame.filter(in_period).select(columns).collect(), index, scaler, targets)


def _split_days(index: PanelIndex, rows_per_period: int) -> list[tuple[int, int]]:
    """Split the days into periods (first, last) of about ``rows_per_period`` rows."""
    cumulative = np.cumsum((index.row_of >= 0).sum(axis=1))
    period = (cumulative - 1) // rows_per_period
    starts = np.flatnonzero(np.diff(period, prepend=-1))
    ends = np.append(starts[1:], len(period)) - 1
    return list(zip(starts.tolist(), ends.tolist(), strict=True))


def _scale_rows(frame: pl.DataFrame, index: PanelIndex, scaler: Scaler, targets: list[str]) -> PanelRows:
    """Scale the rows of complete days and sort them in the order of the panel.

    Daily methods such as ranks compare all stocks of a day, so a day may not be divided.
    """
    day, stock = index.find(frame)
    rows = index.row_of[day, stock]
    order = np.argsort(rows)
    scaled = scaler.scale(frame).to_numpy()  # float32 (observation, feature), columns contiguous
    target_values = frame.select(pl.col(targets).cast(pl.Float32)).to_numpy()
    # Transposed, so that torch converts contiguous columns.
    features = torch.from_numpy(scaled.T).half().T[torch.from_numpy(order)]
    days, market = _compute_daily_moments(scaled, day, index.eligible[day, stock])
    return PanelRows(
        rows[order].astype(np.int64),
        features.contiguous().numpy(),
        np.ascontiguousarray(target_values[order]),
        days,
        market,
    )


def _compute_daily_moments(scaled: np.ndarray, day: np.ndarray, eligible: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compute the mean and standard deviation of every feature over each day's universe.

    Both are 0 for a feature that no eligible stock has on the day.
    """
    days, counts = np.unique(day, return_counts=True)
    order = np.argsort(day, kind="stable")
    values = torch.split(torch.from_numpy(scaled[order]), counts.tolist())
    is_eligible = torch.split(torch.from_numpy(eligible[order]).unsqueeze(1), counts.tolist())
    return days, torch.stack([_mean_and_deviation(*pair) for pair in zip(values, is_eligible, strict=True)]).numpy()


def _mean_and_deviation(values: torch.Tensor, is_eligible: torch.Tensor) -> torch.Tensor:
    known = is_eligible & ~values.isnan()  # (observation, feature)
    count = known.sum(0).clamp(min=1)
    values = values.where(known, 0)
    mean = values.sum(0, dtype=torch.float64) / count
    mean_square = values.square().sum(0, dtype=torch.float64) / count
    return torch.cat([mean, (mean_square - mean.square()).clamp(min=0).sqrt()]).float()
