"""Splits with too few days or stocks are refused, and small ones are logged."""

import logging

import numpy as np
import pytest
from pydantic import ValidationError

from atft_kedro.panel.sizes import SizeParams, SplitSize
from atft_kedro.panel.split import Split, SplitParams, add_sizes, split_days
from atft_kedro.params import InputError
from atft_kedro.reporting.split_figures import plot_splits
from factories.params import make_params


def count(days: int, stocks: int) -> Split:
    trading_days = np.arange("2015-01-01", days, dtype="datetime64[D]")
    split = split_days(trading_days, make_params(SplitParams), 20)
    return add_sizes(split, trading_days, np.full(days, stocks), make_params(SizeParams))


def test_a_small_split_is_logged_with_its_standard_error(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    split = count(370, 31)

    named = "validation: 16 days (recommended: 60) and 31 stocks a day (recommended: 50)"
    assert split.shortages()["validation"].startswith(named)
    assert "has a standard error of ± 0.046, too little to choose an epoch" in split.shortages()["validation"]
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 3
    assert named in caplog.text
    assert named in plot_splits([split]).layout.title.text


def test_a_split_of_recommended_size_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    split = count(1000, 184)

    assert split.shortages() == {}
    assert caplog.records == []
    assert plot_splits([split]).layout.title.text == "Days of each split"


def test_splits_without_a_defined_score_are_refused() -> None:
    with pytest.raises(InputError, match="train has 200 days and at most 2 stocks a day; scores are undefined below"):
        count(370, 2)
    with pytest.raises(InputError, match="validation has 1 days and at most 31 stocks"):
        count(273, 31)


def test_the_error_is_that_of_random_forecasts() -> None:
    random = np.random.default_rng(1)
    ranks = random.normal(size=(500, 16, 31)).argsort(-1).argsort(-1) - 15.0
    rank_ics = (ranks * np.arange(-15, 16)).sum(-1) / (np.arange(-15, 16) ** 2).sum()

    assert SplitSize(days=16, stocks=31).error == pytest.approx(rank_ics.mean(1).std(), rel=0.1)


def test_recommended_sizes_below_the_minimum_are_refused() -> None:
    with pytest.raises(ValidationError, match="fewer than minimum_days 90"):
        make_params(SizeParams, minimum_days=90)
