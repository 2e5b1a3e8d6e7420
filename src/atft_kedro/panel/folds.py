"""Folds of a walk-forward evaluation: several splits of the same data."""

from datetime import date
from itertools import combinations
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from ..params import InputError, Params
from .sizes import SizeParams
from .split import Split, insert_gaps

SPLIT_DTYPE = "<U10"  # a text as long as "validation"


class FoldParams(Params):
    """How the trading days are split into folds.

    ``expanding`` and ``rolling`` test ``n_folds`` consecutive periods after the first ``train_days`` and
    ``validation_days``; ``rolling`` keeps only the newest ``train_days`` train days. ``yearly`` tests each of the last
    ``n_folds`` calendar years, validates on the year before and trains on the ``train_days`` days before that.
    ``combinatorial`` divides the days into ``n_folds`` groups, tests every choice of ``test_groups`` of them, validates
    on the newest other group and trains on the rest. ``yearly`` and ``combinatorial`` do not use ``validation_days``,
    ``combinatorial`` does not use ``train_days``, and only ``combinatorial`` uses ``test_groups``. Days before
    ``min_date`` are in no fold. The purge and embargo days are later removed from these numbers of days.
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
    def _require_train_group(self) -> Self:
        if self.kind == "combinatorial" and self.test_groups > self.n_folds - 2:
            raise ValueError(
                f"test_groups is {self.test_groups}, but of {self.n_folds} groups at most {self.n_folds - 2} can be "
                "tested: one group validates and at least one trains"
            )
        return self


class Folds(Params):
    """The splits of all folds, in order."""

    folds: tuple[Split, ...]


def plan_folds(days: np.ndarray, params: FoldParams, target_span: int) -> Folds:
    """Split the trading days once per fold.

    The label of a day uses prices of up to ``target_span`` days later.
    """
    n_days_before = int(np.searchsorted(days, np.datetime64(params.min_date))) if params.min_date else 0
    if params.kind == "yearly":
        planned = _plan_years(days[n_days_before:], params, target_span)
    elif params.kind == "combinatorial":
        planned = _plan_combinations(len(days) - n_days_before, params)
    else:
        planned = _plan_periods(len(days) - n_days_before, params)
    days_before = np.full(n_days_before, "history", dtype=SPLIT_DTYPE)
    folds = (
        insert_gaps(f"fold {number}", days, np.concatenate([days_before, splits]), target_span, params.embargo_days)
        for number, splits in enumerate(planned, start=1)
    )
    return Folds(folds=tuple(folds))


def _plan_periods(n_days: int, params: FoldParams) -> list[np.ndarray]:
    """Plan folds that test consecutive periods, each after its validation days."""
    first_test = params.train_days + params.validation_days
    if n_days - first_test < params.n_folds:
        raise InputError(
            f"{params.n_folds} folds do not fit the data of {n_days} days: {params.train_days} train days and "
            f"{params.validation_days} validation days come before the first test day. Change `folds:` in conf/."
        )
    folds = []
    for test_indices in np.array_split(np.arange(first_test, n_days), params.n_folds):
        first_validation = int(test_indices[0]) - params.validation_days
        first_train = first_validation - params.train_days if params.kind == "rolling" else 0
        folds.append(_mark_fold(n_days, first_train, first_validation, test_indices))
    return folds


def _mark_fold(n_days: int, first_train: int, first_validation: int, test_indices: np.ndarray) -> np.ndarray:
    """Mark the split of each day, given the first train and validation day and the test days."""
    splits = np.full(n_days, "unused", dtype=SPLIT_DTYPE)
    splits[:first_validation] = "train"
    splits[:first_train] = "history"
    splits[first_validation : test_indices[0]] = "validation"
    splits[test_indices] = "test"
    return splits


def _plan_years(days: np.ndarray, params: FoldParams, target_span: int) -> list[np.ndarray]:
    """Plan folds that test calendar years.

    A last year with at most ``target_span`` days is counted as part of the year before.
    """
    year_of = days.astype("datetime64[Y]")
    years, counts = np.unique(year_of, return_counts=True)
    if counts[-1] <= target_span and len(years) > 1:
        year_of[year_of == years[-1]] = years[-2]
        years = years[:-1]
    if len(years) < params.n_folds + 2:
        raise InputError(
            f"{params.n_folds} yearly folds do not fit the data: {params.n_folds} test years also need one validation "
            f"year and one train year, but the data has {len(years)} years. Change `folds:` in conf/."
        )
    folds = []
    for year in years[-params.n_folds :]:
        first_validation = int(np.searchsorted(year_of, year - 1))
        first_train = max(first_validation - params.train_days, 0)
        folds.append(_mark_fold(len(days), first_train, first_validation, np.flatnonzero(year_of == year)))
    return folds


def _plan_combinations(n_days: int, params: FoldParams) -> list[np.ndarray]:
    """Plan a fold for every choice of test groups.

    The newest other group validates, the rest trains.
    """
    if n_days < params.n_folds:
        raise InputError(f"{params.n_folds} groups do not fit {n_days} days. Change `folds:` in conf/.")
    groups = np.array_split(np.arange(n_days), params.n_folds)
    group_of = np.repeat(np.arange(params.n_folds), [len(group) for group in groups])
    folds = []
    for test_groups in combinations(range(params.n_folds), params.test_groups):
        splits = np.full(n_days, "train", dtype=SPLIT_DTYPE)
        splits[group_of == max(set(range(params.n_folds)) - set(test_groups))] = "validation"
        splits[np.isin(group_of, test_groups)] = "test"
        folds.append(splits)
    return folds
