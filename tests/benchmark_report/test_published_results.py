"""Test the scores as papers define them."""

from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from atft_kedro.benchmark_report.published_results import (
    has_published_days,
    score_random_forecasts,
    tabulate_published_scores,
)
from factories.benchmark_runs import make_returns, make_run

FIRST, LAST = date(2016, 12, 30), date(2017, 12, 7)  # forecast days of the published returns


def test_random_forecasts_have_no_ic_and_a_precision_of_one_half(returns: pl.DataFrame) -> None:
    random = score_random_forecasts(returns.select("date", "code", target="target_1d"))

    (ic, deviation), (precision, _) = random.summarize("ic"), random.summarize("precision")

    assert abs(ic) < 3 * deviation / np.sqrt(len(random.scores))
    assert precision == pytest.approx(0.5, abs=0.02)


def test_published_rows_are_shown_for_their_own_stocks_and_days_only(returns: pl.DataFrame, tmp_path: Path) -> None:
    validation = [date(2016, 12, day) for day in (20, 21, 22)]
    days = [*validation, FIRST, date(2017, 6, 1), LAST]
    same, fewer_stocks = (make_run(tmp_path / str(stocks), make_returns(stocks, days), 0.1) for stocks in (1026, 513))
    other_days = make_run(tmp_path / "other", returns, 0.1)

    assert has_published_days(same)
    assert not has_published_days(fewer_stocks)
    assert not has_published_days(other_days)
    random = score_random_forecasts(returns.select("date", "code", target="target_1d"))
    assert any("StockMixer" in row[0] for row in tabulate_published_scores([same], random).rows)
    assert not any("StockMixer" in row[0] for row in tabulate_published_scores([other_days], random).rows)
