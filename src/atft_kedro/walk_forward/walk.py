"""A walk (walk-forward run): train each unfinished fold in a separate process."""

import logging
import math
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import torch
from pydantic import Field

from ..panel.split import DateRange, Split
from ..params import InputError, Params
from ..training.distributed import is_torchrun
from ..training.runs import Runs
from .fold import LOG, PANEL, Fold, FoldRecipe, FoldRecord, MarketTables, name_folders, read_record, train_fold
from .process_pool import Task, TaskResult, run_tasks

_logger = logging.getLogger(__name__)


class WalkParams(Params):
    """Parameters of a walk; ``processes`` is the number of folds trained at the same time."""

    processes: Annotated[int, Field(gt=0)]


class FoldResult(Params):
    """The result of a fold: its record, or the reason of its failure."""

    name: str
    folder: str  # name of the fold's folder
    tested: tuple[DateRange, ...]  # ranges of test days
    record: FoldRecord | None = None
    reason: str | None = None  # of the failure


class FoldResults(Params):
    """The results of all folds of a walk."""

    folds: tuple[FoldResult, ...]

    @property
    def succeeded(self) -> list[FoldResult]:
        """List the folds that did not fail."""
        return [fold for fold in self.folds if fold.reason is None]

    def is_complete(self, folder: Path) -> bool:
        """Return whether every fold is finished and its forecasts exist in ``folder``."""
        return all(fold.reason is None and read_record(folder / fold.folder) is not None for fold in self.folds)


def train_folds(
    splits: Sequence[Split], tables: MarketTables, recipe: FoldRecipe, runs: Runs, params: WalkParams
) -> FoldResults:
    """Train the unfinished folds, each in its own subfolder of ``runs.folder``."""
    if recipe.training.resume is not None:
        raise InputError("Do not set training.resume: a walk resumes its folds automatically.")
    if recipe.training.init_from is not None:
        raise InputError("Do not set training.init_from: that run may have learned from the test days of a fold.")
    if is_torchrun():
        raise InputError(
            "Each fold already runs in its own process (see walk_forward.processes). Start the walk without torchrun."
        )
    folds = [Fold.from_tables(split, tables, recipe) for split in splits]
    folders = [runs.folder / name for name in name_folders(folds, tables)]
    threads = max(torch.get_num_threads() // params.processes, 1)
    tasks = []
    for split, fold, folder in zip(splits, folds, folders, strict=True):
        if read_record(folder) is None:
            tasks.append(Task(split.name, train_fold, (fold, replace(runs, folder=folder), threads), folder / LOG))
        else:
            shutil.rmtree(folder / PANEL, ignore_errors=True)  # remains if the process was killed
            _logger.info("%s is already finished: %s", split.name, _format_score(folder))
    task_results = run_tasks(tasks, params.processes, _log_result)
    fold_results = (
        _summarise(split, folder, task_results.get(split.name)) for split, folder in zip(splits, folders, strict=True)
    )
    results = FoldResults(folds=tuple(fold_results))
    if not results.succeeded:
        raise InputError("All folds of the walk failed:\n" + format_failures(results.folds))
    return results


def _log_result(task: Task, result: TaskResult) -> None:
    if result.reason is None:
        _logger.info("%s done in %.1f s: %s", task.name, result.seconds, _format_score(task.log.parent))
    else:
        _logger.error("%s failed after %.1f s: %s", task.name, result.seconds, result.reason)


def _format_score(folder: Path) -> str:
    """Format the mean of the best validation scores of a finished fold's networks."""
    record = read_record(folder)
    assert record is not None
    scores = [math.nan if member.best_score is None else member.best_score for member in record.trained.members]
    return f"mean of the networks' best validation scores {math.fsum(scores) / len(scores):.4f} ({folder.name})"


def _summarise(split: Split, folder: Path, result: TaskResult | None) -> FoldResult:
    """Build the result of a fold; a fold finished in an earlier run has no task result."""
    reason = None if result is None else result.reason
    record = read_record(folder) if reason is None else None
    return FoldResult(name=split.name, folder=folder.name, tested=split.ranges_of("test"), record=record, reason=reason)


def format_failures(folds: Sequence[FoldResult]) -> str:
    """Format one line with the reason for each failed fold."""
    return "\n".join(f"  {fold.name}: {fold.reason}" for fold in folds if fold.reason is not None)
