"""A walk: every fold that has not finished yet is trained, each in a process of its own."""

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
from .fold import LOG, PANEL, Fold, FoldRecord, History, Recipe, name_folders, read_record, train_fold
from .process_pool import Ending, Task, work_apart

_logger = logging.getLogger(__name__)


class WalkParams(Params):
    """How the folds of a walk are trained: ``processes`` of them at the same time."""

    processes: Annotated[int, Field(gt=0)] = 1


class TrainedFold(Params):
    """What became of a fold: the run that it trained, or the reason why there is none."""

    name: str
    folder: str  # in the walk's
    tested: tuple[DateRange, ...]
    record: FoldRecord | None = None
    reason: str | None = None


class TrainedFolds(Params):
    """What became of every fold of a walk."""

    folds: tuple[TrainedFold, ...]

    @property
    def finished(self) -> list[TrainedFold]:
        """List the folds that have forecasts."""
        return [fold for fold in self.folds if fold.reason is None]

    def is_whole(self, folder: Path) -> bool:
        """Say whether every fold has finished, and has its forecasts in its folder still."""
        finished = {fold.folder for fold in self.finished if read_record(folder / fold.folder) is not None}
        return finished == {fold.folder for fold in self.folds}


def train_folds(
    splits: Sequence[Split], history: History, recipe: Recipe, runs: Runs, params: WalkParams
) -> TrainedFolds:
    """Train the folds that have not finished; each keeps all that it makes in its folder in ``runs``."""
    _require_possible(recipe)
    folds = [Fold.cut(split, history, recipe) for split in splits]
    folders = dict(zip([split.name for split in splits], name_folders(folds, history), strict=True))
    threads = max(torch.get_num_threads() // params.processes, 1)
    tasks = []
    for split, fold in zip(splits, folds, strict=True):
        home = runs.folder / folders[split.name]
        if _has_finished(home):
            _logger.info("%s has finished before: %s", split.name, _praise(home))
        else:
            arguments = (fold, replace(runs, folder=home), threads)
            tasks.append(Task(split.name, train_fold, arguments, home / LOG))
    endings = work_apart(tasks, params.processes, _tell)
    trained = [_tell_of(split, runs.folder / folders[split.name], endings.get(split.name)) for split in splits]
    _require_any(trained)
    return TrainedFolds(folds=tuple(trained))


def _require_possible(recipe: Recipe) -> None:
    if recipe.training.resume is not None:
        raise InputError("training.resume is for one run; a walk goes on with its folds by itself. Leave it out.")
    if is_torchrun():
        raise InputError("The folds of a walk are processes already (walk_forward.processes): run it without torchrun.")


def _has_finished(home: Path) -> bool:
    """Say whether a fold has its forecasts; a panel that a kill has left is removed then."""
    if read_record(home) is None:
        return False
    shutil.rmtree(home / PANEL, ignore_errors=True)
    return True


def _tell(task: Task, ending: Ending) -> None:
    if ending.reason is None:
        _logger.info("%s done in %.1f s: %s", task.name, ending.seconds, _praise(task.log.parent))
    else:
        _logger.error("%s failed after %.1f s: %s", task.name, ending.seconds, ending.reason)


def _praise(home: Path) -> str:
    """Say how good a finished fold was on its validation days."""
    record = read_record(home)
    assert record is not None
    scores = [math.nan if member.best_score is None else member.best_score for member in record.trained.members]
    return f"best validation score {math.fsum(scores) / len(scores):.4f} ({home.name})"


def _tell_of(split: Split, home: Path, ending: Ending | None) -> TrainedFold:
    """Say what became of a fold; one that did not have to run has no ending."""
    reason = None if ending is None else ending.reason
    record = read_record(home) if reason is None else None
    return TrainedFold(name=split.name, folder=home.name, tested=split.ranges_of("test"), record=record, reason=reason)


def _require_any(folds: Sequence[TrainedFold]) -> None:
    if all(fold.reason is not None for fold in folds):
        raise InputError("No fold of the walk has finished:\n" + list_failures(folds))


def list_failures(folds: Sequence[TrainedFold]) -> str:
    """Name each fold that failed, and why."""
    return "\n".join(f"  {fold.name}: {fold.reason}" for fold in folds if fold.reason is not None)
