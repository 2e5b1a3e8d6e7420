"""What a walk says of other years: each fold, the whole record, and what trading it would have left."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from ..evaluation.entries import name_entry
from ..files import read_json
from ..reporting.summary import format_markdown_table
from ..reporting.table import Table
from ..schema import DATE, ENTRY_LAG, HORIZON
from ..training.runs import MANIFEST
from ..walk_forward.report import HEADER, format_folds
from ..walk_forward.score import WalkScore
from ..walk_forward.walk import TrainedFold, format_failures
from .costs_table import tabulate_trades
from .figures import draw_heights
from .run_diff import name_difference
from .run_evidence import Evidence


@dataclass(frozen=True)
class Walk:
    """A walk's score, its days, and where its folds are."""

    score: WalkScore
    daily: pl.DataFrame
    folder: Path


def write_walk(walk: Walk, first: Evidence) -> Iterator[str]:
    """Tell the walk, horizon by horizon."""
    notes = [_introduce(walk, first), format_failures([each.fold for each in walk.score.folds])]
    for name in walk.score.pooled:
        rows = list(format_folds(walk.score, name))
        yield format_markdown_table(Table(f"Walk: {name} d", HEADER, rows, "\n\n".join(note for note in notes if note)))
        if notes:
            tested = [
                each for each in walk.score.folds if each.horizons and each.horizons[name].rank_ic.mean is not None
            ]
            heights = [each.horizons[name].rank_ic.mean or 0.0 for each in tested]
            yield draw_heights(f"Rank IC over {name} d, fold by fold", [each.fold.name for each in tested], heights)
        notes = []
    days = {
        (name, "ours" if lag == walk.score.entry_lag else f"ours, {name_entry(lag)}"): _days(walk.daily, name, lag)
        for name in walk.score.pooled
        for lag in walk.score.entries
    }
    yield format_markdown_table(tabulate_trades(days, "Walk: what is left after costs"))


def _days(daily: pl.DataFrame, horizon: int, lag: int) -> pl.DataFrame:
    return daily.filter((pl.col(HORIZON) == horizon) & (pl.col(ENTRY_LAG) == lag)).sort(DATE)


def _introduce(walk: Walk, first: Evidence) -> str:
    """Say how many folds there are, and how their networks were made."""
    finished = [each.fold for each in walk.score.folds if each.fold.reason is None]
    manifest = _read_manifest(walk.folder, finished[0])
    manifest["split"] = first.manifest["split"]  # each fold has days of its own
    differs = name_difference(manifest | {"panel": first.manifest["panel"]}, first.manifest)
    made = "as the run above" if differs == "the same again" else f"as the run above, but with {differs}"
    count = manifest["training"]["seeds"]
    networks = f"{count} networks" if count > 1 else "1 network"
    return (
        f"{len(finished)} folds, each with {networks} of its own that saw nothing of its test days, made "
        f"{made}, at commit `{manifest['commit'][:12]}`; {walk.score.days[0]} to {walk.score.days[1]}."
    )


def _read_manifest(folder: Path, fold: TrainedFold) -> dict[str, Any]:
    assert fold.record is not None
    told: Mapping[str, Any] = read_json(folder / fold.folder / fold.record.trained.run / MANIFEST)
    return dict(told)
