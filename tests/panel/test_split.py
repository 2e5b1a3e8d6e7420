"""Splits do not overlap and have gaps between them; impossible ones are refused."""

from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from atft_kedro.panel.folds import FoldParams, plan_folds
from atft_kedro.panel.split import (
    SPLIT_NAMES,
    DateRange,
    Split,
    SplitParams,
    insert_gaps,
    split_days,
)
from atft_kedro.params import InputError
from atft_kedro.reporting.split_figures import plot_splits
from factories.params import make_params


def trading_days(count: int) -> np.ndarray:
    return np.busday_offset("2015-01-05", np.arange(count), roll="forward").astype("datetime64[D]")


def roles_of(split: Split, days: np.ndarray) -> np.ndarray:
    """List the split of each day with a slow loop; every day has exactly one."""
    splits_of_days = []
    for day in days.tolist():
        found = [dates.split for dates in split.date_ranges if dates.first <= day <= dates.last]
        assert len(found) == 1
        splits_of_days.append(found[0])
    return np.array(splits_of_days)


def test_shares_split_the_history_and_the_gap_is_taken_from_the_earlier_split() -> None:
    days = trading_days(1000)

    split = split_days(days, make_params(SplitParams), 20)

    assert [(stretch.split, stretch.days) for stretch in split.date_ranges] == [
        ("train", 610),
        ("embargo", 20),
        ("purge", 20),
        ("validation", 110),
        ("embargo", 20),
        ("purge", 20),
        ("test", 200),
    ]


def test_the_last_days_test_those_before_validate_and_all_others_train() -> None:
    days = trading_days(1000)
    params = make_params(SplitParams, validation_days=150, test_days=60, min_date=days[100].item(), embargo_days=5)

    split = split_days(days, params, 20)

    (train,), (validation,), (test,) = (split.ranges_of(part) for part in SPLIT_NAMES)
    assert (train.first, train.days) == (days[100].item(), 900 - 150 - 60 - 25)
    assert (validation.first, validation.days) == (days[-210].item(), 150 - 25)
    assert (test.first, test.last, test.days) == (days[-60].item(), days[-1].item(), 60)
    with pytest.raises(InputError, match="split has no train days"):
        split_days(days[:200], params.model_copy(update={"min_date": None}), 20)


def test_given_dates_are_the_borders() -> None:
    days = trading_days(1000)
    params = make_params(
        SplitParams,
        min_date=date(2015, 3, 2),
        train_until=date(2016, 12, 31),
        validation_until=date(2017, 12, 31),
        test_until=date(2018, 6, 29),
        embargo_days=5,
    )

    split = split_days(days, params, 11)

    (train,), (validation,), (test,) = (split.ranges_of(part) for part in SPLIT_NAMES)
    assert split.date_ranges[0].split == "history"
    assert (train.first, validation.first, test.first) == (date(2015, 3, 2), date(2017, 1, 2), date(2018, 1, 1))
    assert test.last == date(2018, 6, 29)
    assert split.date_ranges[-1].split == "unused"
    assert [stretch.days for stretch in split.ranges_of("purge")] == [11, 11]
    assert [stretch.days for stretch in split.ranges_of("embargo")] == [5, 5]
    assert (train.last_label_day, validation.last_label_day) == (date(2016, 12, 30), date(2017, 12, 29))
    assert test.last_label_day is None


@settings(max_examples=200, deadline=None)
@given(
    blocks=st.lists(
        st.tuples(st.sampled_from(["history", "train", "validation", "test", "unused"]), st.integers(1, 60)),
        min_size=1,
        max_size=9,
    ),
    purge=st.integers(0, 25),
    embargo=st.integers(0, 25),
)
def test_no_label_ends_in_a_later_split_in_any_fold(blocks: list[tuple[str, int]], purge: int, embargo: int) -> None:
    planned = np.repeat([role for role, _ in blocks], [count for _, count in blocks])
    days = trading_days(len(planned))
    try:
        split = insert_gaps("any", days, planned, purge, embargo)
    except InputError:
        return
    splits_of_days = roles_of(split, days)
    for day_index, role in enumerate(splits_of_days):
        if role not in SPLIT_NAMES:
            continue
        assert role == planned[day_index]  # parts only lose days
        known = next(s.last_label_day for s in split.ranges_of(role) if s.first <= days[day_index].item() <= s.last)
        reach = len(days) - 1 if known is None else int(np.searchsorted(days, np.datetime64(known)))
        above = SPLIT_NAMES[SPLIT_NAMES.index(role) + 1 :]
        assert all(planned[later] not in above for later in range(day_index, reach + 1))
        # a split of higher rank is a whole gap away, before or after it
        around = planned[max(day_index - purge - embargo, 0) : day_index + purge + embargo + 1]
        runs = [
            planned[day_index] == other
            or other not in SPLIT_NAMES
            or SPLIT_NAMES.index(other) < SPLIT_NAMES.index(role)
            for other in around
        ]
        assert all(runs) or _something_else_lies_between(planned, day_index, purge + embargo)


def _something_else_lies_between(planned: np.ndarray, day_index: int, reach: int) -> bool:
    """Check whether a date range shorter than the gap, or an unused one, separates two splits."""
    near = planned[max(day_index - reach, 0) : day_index + reach + 1]
    return len([1 for one, other in pairwise(near) if one != other]) > 1 or bool(set(near) & {"history", "unused"})


def test_a_test_group_keeps_all_its_labels() -> None:
    days = trading_days(400)

    folds = plan_folds(days, make_params(FoldParams, kind="combinatorial", test_groups=1), 20).folds

    assert {stretch.last_label_day for fold in folds for stretch in fold.ranges_of("test")} == {None}


def test_shares_are_taken_of_the_days_before_test_until() -> None:
    days = trading_days(1000)

    split = split_days(days, make_params(SplitParams, test_until=days[599].item()), 20)

    assert [stretch.days for stretch in split.ranges_of("test")] == [120]
    assert split.date_ranges[-1].split == "unused"


def test_a_test_too_short_for_its_labels_is_refused() -> None:
    with pytest.raises(InputError, match="tests 9 days, too few for a label that looks 20 days ahead"):
        split_days(trading_days(300), make_params(SplitParams, train=0.7, validation=0.27), 20)


def test_overlapping_date_ranges_are_refused() -> None:
    one = DateRange(split="train", first=date(2020, 1, 1), last=date(2020, 6, 1), days=100)
    other = DateRange(split="test", first=date(2020, 5, 1), last=date(2020, 8, 1), days=60)

    with pytest.raises(ValidationError, match="test from 2020-05-01 overlaps train"):
        Split(name="wrong", date_ranges=(one, other))


def test_a_min_date_leaves_earlier_days_as_history() -> None:
    days = trading_days(1000)

    folds = plan_folds(days, make_params(FoldParams, min_date=days[100].item(), train_days=400), 20).folds

    assert all(fold.date_ranges[0].split == "history" and fold.date_ranges[0].days == 100 for fold in folds)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (
            make_params(SplitParams, train_until=date(2014, 1, 1), validation_until=date(2016, 1, 1)),
            "split has no train days: its dates",
        ),
        (make_params(SplitParams, min_date=date(2030, 1, 1)), "split has no train days"),
        (
            make_params(SplitParams, validation=0.03),
            "split has no validation days: the gap of 20 purge and 20 embargo days takes all 30",
        ),
        (
            make_params(SplitParams, embargo_days=200),
            "split has no validation days: the gap of 20 purge and 200 embargo",
        ),
        (
            make_params(SplitParams, train_until=date(2018, 1, 1), validation_until=date(2019, 1, 1)),
            "split has no test days",
        ),
    ],
)
def test_a_split_without_days_is_refused(params: SplitParams, message: str) -> None:
    with pytest.raises(InputError, match=message):
        split_days(trading_days(1000), params, 20)


@pytest.mark.parametrize(
    "wrong",
    [
        {"train_until": "2016-01-01"},
        {"train": 0.8, "validation": 0.2},
        {"train_until": "2016-01-01", "validation_until": "2015-01-01"},
        {"test_days": 60},
        {"test_days": 60, "validation_days": 60, "test_until": "2016-06-01"},
        {"test_days": 60, "validation_days": 60, "train_until": "2016-01-01", "validation_until": "2017-01-01"},
        {"min_date": "2016-06-01", "train_until": "2016-01-01", "validation_until": "2017-01-01"},
    ],
)
def test_contradictory_parameters_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        make_params(SplitParams, **wrong)


def test_the_figure_has_a_bar_for_every_date_range() -> None:
    days = trading_days(1000)
    folds = plan_folds(days, make_params(FoldParams), 20).folds

    figure = plot_splits(folds)

    bars = {
        (trace.name, name, base): length / (24 * 3600 * 1000)
        for trace in figure.data
        for name, base, length in zip(trace.y, trace.base, trace.x, strict=True)
    }
    assert bars == {
        (stretch.split, fold.name, str(stretch.first)): (stretch.last - stretch.first + timedelta(days=1)).days
        for fold in folds
        for stretch in fold.date_ranges
    }
