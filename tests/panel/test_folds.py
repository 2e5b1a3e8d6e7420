"""The folds of a walk through the history."""

import numpy as np
import pytest

from atft_kedro.panel.folds import FoldParams, plan_folds
from atft_kedro.panel.sizes import SizeParams
from atft_kedro.panel.split import (
    SPLIT_NAMES,
    SplitParams,
    add_sizes,
    split_days,
)
from atft_kedro.params import InputError
from factories.params import make_params


def trading_days(count: int) -> np.ndarray:
    return np.busday_offset("2015-01-05", np.arange(count), roll="forward").astype("datetime64[D]")


def test_expanding_folds_test_every_later_day_once() -> None:
    days = trading_days(1000)

    folds = plan_folds(days, make_params(FoldParams), 20).folds

    tested = np.concatenate([fold.indices_of("test", days) for fold in folds])
    assert tested.tolist() == list(range(600, 1000))
    assert [fold.ranges_of("train")[0].days for fold in folds] == [460, 540, 620, 700, 780]
    for fold in folds:
        parts = [fold.indices_of(part, days) for part in SPLIT_NAMES]
        assert parts[0].max() + 41 <= parts[1].min()
        assert parts[1].max() + 41 <= parts[2].min()


def test_rolling_folds_drop_old_train_days() -> None:
    days = trading_days(1000)

    folds = plan_folds(days, make_params(FoldParams, kind="rolling", train_days=300), 20).folds

    assert {fold.ranges_of("train")[0].days for fold in folds} == {260}
    assert folds[0].date_ranges[0].split == "train"
    assert folds[-1].date_ranges[0].split == "history"


def test_yearly_folds_test_calendar_years_and_drop_old_train_days() -> None:
    days = np.arange("2010-01-01", "2018-01-09", dtype="datetime64[D]")
    days = days[np.is_busday(days)]

    folds = plan_folds(
        days, make_params(FoldParams, kind="yearly", n_folds=5, train_days=500, embargo_days=5), 20
    ).folds

    tested = [days[fold.indices_of("test", days)] for fold in folds]
    assert [str(days[0].astype("datetime64[Y]")) for days in tested] == ["2013", "2014", "2015", "2016", "2017"]
    assert str(tested[-1][-1]) == "2018-01-08"  # six days are too few for a separate fold
    assert all(len(np.unique(days.astype("datetime64[Y]"))) == 1 for days in tested[:-1])
    for fold, test_days in zip(folds, tested, strict=True):
        validated = days[fold.indices_of("validation", days)].astype("datetime64[Y]")
        assert (validated == test_days[0].astype("datetime64[Y]") - 1).all()
        assert len(fold.indices_of("train", days)) == 475
    later = plan_folds(
        days[:-3], make_params(FoldParams, kind="yearly", n_folds=5, train_days=500, embargo_days=5), 20
    ).folds
    assert [fold.date_ranges[:-1] for fold in later[:-1]] == [
        fold.date_ranges[:-1] for fold in folds[:-1]
    ]  # all else stays
    with pytest.raises(InputError, match="7 yearly folds do not fit the data: .* has 8 years"):
        plan_folds(days, make_params(FoldParams, kind="yearly", n_folds=7), 20)


def test_combinatorial_folds_test_every_choice_and_keep_a_gap_on_both_sides() -> None:
    days = trading_days(1000)

    folds = plan_folds(days, make_params(FoldParams, kind="combinatorial", n_folds=6, test_groups=2), 20).folds

    assert len(folds) == 15
    counts = np.zeros(len(days))
    for fold in folds:
        tested, trained = fold.indices_of("test", days), fold.indices_of("train", days)
        counts[tested] += 1
        nearest = np.abs(tested[:, None] - trained).min(axis=0)
        assert nearest.min() >= 41
    assert set(counts) == {5}


def test_folds_that_do_not_fit_are_refused() -> None:
    with pytest.raises(
        InputError, match="5 folds do not fit the data of 590 days: 500 train days and 100 validation days"
    ):
        plan_folds(trading_days(590), make_params(FoldParams), 20)
    with pytest.raises(InputError, match="fold 1 has no validation days: the gap of 20 purge and 90 embargo"):
        plan_folds(trading_days(1000), make_params(FoldParams, embargo_days=90), 20)


def test_a_fold_with_an_empty_universe_is_refused() -> None:
    days = trading_days(1000)
    split = split_days(days, make_params(SplitParams), 20)
    stocks = np.where(np.arange(1000) < 800, 10, 0)

    with pytest.raises(InputError, match="no stock is in the universe on any test day"):
        add_sizes(split, days, stocks, make_params(SizeParams))
