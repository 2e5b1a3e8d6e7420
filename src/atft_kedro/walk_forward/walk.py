"""A walk: train every unfinished fold in a separate process."""

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
    """Parameters of a walk; ``processes`` folds are trained at once."""

    processes: Annotated[int, Field(gt=0)]


class TrainedFold(Params):
    """A fold with its record, or with the reason of its failure."""

    name: str
    folder: str  # within the folder of the walk
    tested: tuple[DateRange, ...]
    record: FoldRecord | None = None
    reason: str | None = None


class TrainedFolds(Params):
    """All folds of a walk."""

    folds: tuple[TrainedFold, ...]

    @property
    def finished(self) -> list[TrainedFold]:
        """List the folds that have forecasts."""
        return [fold for fold in self.folds if fold.reason is None]

    def is_complete(self, folder: Path) -> bool:
        """Return whether every fold is finished and its forecasts exist in ``folder``."""
        return all(fold.reason is None and read_record(folder / fold.folder) is not None for fold in self.folds)


def train_folds(
    splits: Sequence[Split], tables: MarketTables, recipe: FoldRecipe, runs: Runs, params: WalkParams
) -> TrainedFolds:
    """Train the folds that are not finished, each in its own folder in that of ``runs``."""
    if recipe.training.resume is not None:
        raise InputError("training.resume is for one run; a walk resumes its folds itself. Leave it out.")
    if is_torchrun():
        raise InputError("The folds of a walk are processes already (walk_forward.processes): run it without torchrun.")
    folds = [Fold.cut(split, tables, recipe) for split in splits]
    folders = [runs.folder / name for name in name_folders(folds, tables)]
    threads = max(torch.get_num_threads() // params.processes, 1)
    tasks = []
    for split, fold, folder in zip(splits, folds, folders, strict=True):
        if read_record(folder) is None:
            tasks.append(Task(split.name, train_fold, (fold, replace(runs, folder=folder), threads), folder / LOG))
        else:
            shutil.rmtree(folder / PANEL, ignore_errors=True)  # a kill can leave it
            _logger.info("%s is already finished: %s", split.name, _format_score(folder))
    results = run_tasks(tasks, params.processes, _log_result)
    trained = TrainedFolds(
        folds=tuple(
            _summarize(split, folder, results.get(split.name)) for split, folder in zip(splits, folders, strict=True)
        )
    )
    if not trained.finished:
        raise InputError("No fold of the walk has finished:\n" + format_failures(trained.folds))
    return trained


def _log_result(task: Task, result: TaskResult) -> None:
    if result.reason is None:
        _logger.info("%s done in %.1f s: %s", task.name, result.seconds, _format_score(task.log.parent))
    else:
        _logger.error("%s failed after %.1f s: %s", task.name, result.seconds, result.reason)


def _format_score(folder: Path) -> str:
    """Format the mean validation score of a finished fold's networks."""
    record = read_record(folder)
    assert record is not None
    scores = [math.nan if member.best_score is None else member.best_score for member in record.trained.members]
    return f"best validation score {math.fsum(scores) / len(scores):.4f} ({folder.name})"


def _summarize(split: Split, folder: Path, result: TaskResult | None) -> TrainedFold:
    """Summarize a fold; one that was finished before has no task result."""
    reason = None if result is None else result.reason
    record = read_record(folder) if reason is None else None
    return TrainedFold(
        name=split.name, folder=folder.name, tested=split.ranges_of("test"), record=record, reason=reason
    )


def format_failures(folds: Sequence[TrainedFold]) -> str:
    """Format one line with the reason for each failed fold."""
    return "\n".join(f"  {fold.name}: {fold.reason}" for fold in folds if fold.reason is not None)
