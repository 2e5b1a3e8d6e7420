"""Several splits of one history: walk-forward, or every combination of tested groups."""

from datetime import date
from itertools import combinations
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from ..params import InputError, Params
from .sizes import SizeParams
from .split import Gap, Split, insert_gaps


class FoldParams(Params):
    """How a history is walked through.

    ``expanding`` and ``rolling`` test ``n_folds`` consecutive stretches after the first ``train_days`` and
    ``validation_days``; ``rolling`` forgets days older than ``train_days``. ``yearly`` tests each of the last
    ``n_folds`` calendar years, validates the year before it and forgets as ``rolling``. ``combinatorial`` cuts the
    history into ``n_folds`` groups, tests every choice of ``test_groups`` of them, and validates on the newest other.
    Gaps are taken from the days that a part is given here.
    """

    kind: Literal["expanding", "rolling", "yearly", "combinatorial"] = "expanding"
    n_folds: Annotated[int, Field(gt=1)] = 5
    train_days: Annotated[int, Field(gt=0)] = 500
    validation_days: Annotated[int, Field(gt=0)] = 100
    test_groups: Annotated[int, Field(gt=0)] = 2
    min_date: date | None = None
    embargo_days: Annotated[int, Field(ge=0)] = 20
    sizes: SizeParams = SizeParams()

    @model_validator(mode="after")
    def _leaves_groups_to_train(self) -> Self:
        if self.kind == "combinatorial" and self.test_groups > self.n_folds - 2:
            raise ValueError(f"of {self.n_folds} groups at most {self.n_folds - 2} can be tested")
        return self


class Folds(Params):
    """The splits of a walk, in order."""

    folds: tuple[Split, ...]


def plan_folds(days: np.ndarray, params: FoldParams, reach: int) -> Folds:
    """Split the trading days once for each fold, for labels that look ``reach`` days ahead."""
    gap = Gap(purge=reach, embargo=params.embargo_days)
    history = int(np.searchsorted(days, np.datetime64(params.min_date))) if params.min_date else 0
    if params.kind == "yearly":
        drawn = _walk_years(days[history:], params, reach)
    else:
        plan = _combine if params.kind == "combinatorial" else _walk
        drawn = plan(len(days) - history, params)
    before = np.full(history, "history", dtype="<U10")
    splits = [
        insert_gaps(f"fold {number}", days, np.concatenate([before, roles]), gap)
        for number, roles in enumerate(drawn, start=1)
    ]
    return Folds(folds=tuple(splits))


def _walk(days: int, params: FoldParams) -> list[np.ndarray]:
    """Test consecutive stretches, each after its own validation days."""
    first_test = params.train_days + params.validation_days
    if days - first_test < params.n_folds:
        raise InputError(
            f"{params.n_folds} folds do not fit the history: of {days} days, {params.train_days} train and "
            f"{params.validation_days} validate before the first test day. Change `folds:` in conf/."
        )
    walks = []
    for tested in np.array_split(np.arange(first_test, days), params.n_folds):
        roles = np.full(days, "unused", dtype="<U10")
        validation = tested[0] - params.validation_days
        roles[:validation] = "train"
        if params.kind == "rolling":
            roles[: validation - params.train_days] = "history"
        roles[validation : tested[0]] = "validation"
        roles[tested] = "test"
        walks.append(roles)
    return walks


def _walk_years(days: np.ndarray, params: FoldParams, reach: int) -> list[np.ndarray]:
    """Test calendar years; a last one that has hardly begun is tested with the one before."""
    year = days.astype("datetime64[Y]")
    known, count = np.unique(year, return_counts=True)
    if count[-1] <= reach and len(known) > 1:
        year[year == known[-1]] = known[-2]
        known = known[:-1]
    if len(known) < params.n_folds + 2:
        raise InputError(
            f"{params.n_folds} yearly folds do not fit the history: of its {len(known)} years one validates before the "
            "first test, and one trains. Change `folds:` in conf/."
        )
    walks = []
    for tested in known[-params.n_folds :]:
        roles = np.full(len(days), "unused", dtype="<U10")
        first = int(np.searchsorted(year, tested - 1))
        roles[:first] = "train"
        roles[: max(first - params.train_days, 0)] = "history"
        roles[year == tested - 1] = "validation"
        roles[year == tested] = "test"
        walks.append(roles)
    return walks


def _combine(days: int, params: FoldParams) -> list[np.ndarray]:
    """Test every choice of groups; the newest of the others validates, the rest trains."""
    if days < params.n_folds:
        raise InputError(f"{params.n_folds} groups do not fit {days} days. Change `folds:` in conf/.")
    group = np.repeat(np.arange(params.n_folds), [len(g) for g in np.array_split(np.arange(days), params.n_folds)])
    walks = []
    for tested in combinations(range(params.n_folds), params.test_groups):
        roles = np.full(days, "train", dtype="<U10")
        roles[group == max(set(range(params.n_folds)) - set(tested))] = "validation"
        roles[np.isin(group, tested)] = "test"
        walks.append(roles)
    return walks
