"""Folds of a walk-forward evaluation: several splits of one history."""

from datetime import date
from itertools import combinations
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from ..params import InputError, Params
from .sizes import SizeParams
from .split import Split, insert_gaps


class FoldParams(Params):
    """How a history is split into folds.

    ``expanding`` and ``rolling`` test ``n_folds`` consecutive periods after the first ``train_days`` and
    ``validation_days``; ``rolling`` drops train days older than ``train_days``. ``yearly`` tests each of the last
    ``n_folds`` calendar years, validates on the year before and is otherwise like ``rolling``. ``combinatorial``
    divides the history into ``n_folds`` groups, tests every choice of ``test_groups`` of them and validates on the
    newest of the others. All numbers of days include the gaps, which are taken from them afterwards.
    """

    kind: Literal["expanding", "rolling", "yearly", "combinatorial"]
    n_folds: Annotated[int, Field(gt=1)]
    train_days: Annotated[int, Field(gt=0)]
    validation_days: Annotated[int, Field(gt=0)]
    test_groups: Annotated[int, Field(gt=0)]
    min_date: date | None
    embargo_days: Annotated[int, Field(ge=0)]
    sizes: SizeParams

    @model_validator(mode="after")
    def _leaves_train_groups(self) -> Self:
        if self.kind == "combinatorial" and self.test_groups > self.n_folds - 2:
            raise ValueError(f"of {self.n_folds} groups at most {self.n_folds - 2} can be tested")
        return self


class Folds(Params):
    """The splits of all folds, in order."""

    folds: tuple[Split, ...]


def plan_folds(days: np.ndarray, params: FoldParams, target_span: int) -> Folds:
    """Split the trading days once per fold; labels end ``target_span`` days after their day."""
    history = int(np.searchsorted(days, np.datetime64(params.min_date))) if params.min_date else 0
    if params.kind == "yearly":
        planned = _plan_years(days[history:], params, target_span)
    elif params.kind == "combinatorial":
        planned = _plan_combinations(len(days) - history, params)
    else:
        planned = _plan_periods(len(days) - history, params)
    history_days = np.full(history, "history", dtype="<U10")
    folds = (
        insert_gaps(f"fold {number}", days, np.concatenate([history_days, splits]), target_span, params.embargo_days)
        for number, splits in enumerate(planned, start=1)
    )
    return Folds(folds=tuple(folds))


def _plan_periods(days: int, params: FoldParams) -> list[np.ndarray]:
    """Plan folds that test consecutive periods, each after its validation days."""
    first_test = params.train_days + params.validation_days
    if days - first_test < params.n_folds:
        raise InputError(
            f"{params.n_folds} folds do not fit the history: of {days} days, {params.train_days} train and "
            f"{params.validation_days} validate before the first test day. Change `folds:` in conf/."
        )
    folds = []
    for tested in np.array_split(np.arange(first_test, days), params.n_folds):
        validation = int(tested[0]) - params.validation_days
        train = validation - params.train_days if params.kind == "rolling" else 0
        folds.append(_mark_fold(days, train, validation, tested))
    return folds


def _mark_fold(days: int, train: int, validation: int, tested: np.ndarray) -> np.ndarray:
    """Mark the split of each day, given the first train and validation day and all test days."""
    splits = np.full(days, "unused", dtype="<U10")
    splits[:validation] = "train"
    splits[:train] = "history"
    splits[validation : tested[0]] = "validation"
    splits[tested] = "test"
    return splits


def _plan_years(days: np.ndarray, params: FoldParams, target_span: int) -> list[np.ndarray]:
    """Plan folds that test calendar years; a last year of at most ``target_span`` days joins the year before."""
    year_of = days.astype("datetime64[Y]")
    years, counts = np.unique(year_of, return_counts=True)
    if counts[-1] <= target_span and len(years) > 1:
        year_of[year_of == years[-1]] = years[-2]
        years = years[:-1]
    if len(years) < params.n_folds + 2:
        raise InputError(
            f"{params.n_folds} yearly folds do not fit the history: of its {len(years)} years one validates before the "
            "first test, and one trains. Change `folds:` in conf/."
        )
    folds = []
    for year in years[-params.n_folds :]:
        validation = int(np.searchsorted(year_of, year - 1))
        train = max(validation - params.train_days, 0)
        folds.append(_mark_fold(len(days), train, validation, np.flatnonzero(year_of == year)))
    return folds


def _plan_combinations(days: int, params: FoldParams) -> list[np.ndarray]:
    """Plan a fold for every choice of test groups; the newest other group validates, the rest trains."""
    if days < params.n_folds:
        raise InputError(f"{params.n_folds} groups do not fit {days} days. Change `folds:` in conf/.")
    groups = np.array_split(np.arange(days), params.n_folds)
    group_of = np.repeat(np.arange(params.n_folds), [len(group) for group in groups])
    folds = []
    for tested in combinations(range(params.n_folds), params.test_groups):
        splits = np.full(days, "train", dtype="<U10")
        splits[group_of == max(set(range(params.n_folds)) - set(tested))] = "validation"
        splits[np.isin(group_of, tested)] = "test"
        folds.append(splits)
    return folds
