"""Runs side by side: on what they share, paired by day."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from atft_kedro.evaluation.align import index_returns
from atft_kedro.evaluation.compare_runs import (
    RunComparison,
    compare_runs,
    list_horizons_not_compared,
    pivot_returns,
    read_split_forecasts,
    require_two_or_more_runs,
)
from atft_kedro.evaluation.score_forecasts import score_forecasts
from atft_kedro.params import InputError
from factories.forecasts import EVALUATION

FIRST = date(2024, 1, 1)


def forecasts_with_noise(
    noise: float, days: int = 120, stocks: int = 40, start: int = 0, seed: int = 1
) -> pl.DataFrame:
    """Forecast returns that are the same for all, with more or less noise."""
    random = np.random.default_rng(5)
    realised_values = random.normal(size=(2, 200, 60))
    table = realised_values + noise * np.random.default_rng(seed).normal(size=realised_values.shape)
    rows = [
        (
            FIRST + timedelta(days=day),
            f"S{stock:02d}",
            horizon,
            table[place, day, stock],
            0.01 * realised_values[place, day, stock],
        )
        for place, horizon in enumerate((1, 5))
        for day in range(start, start + days)
        for stock in range(stocks)
    ]
    return pl.DataFrame(rows, schema=["date", "code", "horizon", "forecast", "target"], orient="row")


def compare(table: dict[str, pl.DataFrame], trials: int = 0) -> list[RunComparison]:
    returns = {run: {0: pivot_returns(item)} for run, item in table.items()}
    return compare_runs(table, returns, EVALUATION, trials)


def test_the_better_run_has_a_positive_paired_difference() -> None:
    rows = compare({"poor": forecasts_with_noise(9, seed=1), "good": forecasts_with_noise(2, seed=2)})
    good, poor = (next(row for row in rows if row.run == name and row.horizon == 1) for name in ("good", "poor"))

    lead = good.differences["rank_ic"]
    assert poor.differences == {}
    assert lead.mean == pytest.approx((good.score.rank_ic.mean or 0) - (poor.score.rank_ic.mean or 0))
    assert (lead.mean or 0) > 5 * (lead.se or 1)
    assert good.deflated is not None
    assert good.deflated > (poor.deflated or 0)


def test_a_paired_difference_has_a_smaller_error() -> None:
    nearly = forecasts_with_noise(3).with_columns(pl.col("forecast") * 1.001)
    rows = compare({"one": forecasts_with_noise(3), "nearly": nearly})

    same = next(row for row in rows if row.run == "nearly" and row.horizon == 1)
    assert same.differences["ic"].mean == pytest.approx(0, abs=1e-6)
    assert (same.differences["ic"].se or 0) < 1e-6 < (same.score.ic.se or 0)


def test_only_common_forecasts_are_compared_and_the_rest_counted() -> None:
    rows = compare(
        {"wide": forecasts_with_noise(2, stocks=50), "late": forecasts_with_noise(2, stocks=40, start=20, days=150)}
    )

    for row in rows:
        assert row.score.ic.days == 100
        assert row.score.forecasts == 100 * 40
        assert row.left_out == (120 * 50 if row.run == "wide" else 150 * 40) - 100 * 40


def test_runs_that_share_nothing_are_refused() -> None:
    other = forecasts_with_noise(2).with_columns(code="T" + pl.col("code"))

    with pytest.raises(
        InputError, match=r"Run b shares no date.*with a: a has 40 stocks from 2024-01-01 to 2024-04-29 over 1d, 5d"
    ):
        compare({"a": forecasts_with_noise(2), "b": other})


def test_runs_of_different_datasets_are_refused() -> None:
    with pytest.raises(InputError, match=r"have different returns for 9,600 of 9,600 forecasts"):
        compare({"a": forecasts_with_noise(2), "b": forecasts_with_noise(2).with_columns(pl.col("target") + 0.01)})


def test_a_run_without_forecasts_or_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no forecasts"):
        read_split_forecasts(tmp_path, "test")
    with pytest.raises(InputError, match="two or more different runs"):
        require_two_or_more_runs([tmp_path, tmp_path])


def test_more_trials_lower_the_deflated_ratio() -> None:
    table = {"poor": forecasts_with_noise(30, seed=1), "good": forecasts_with_noise(25, seed=2)}
    alone, of_many = (compare(table, trials)[1].deflated for trials in (0, 1000))

    assert (of_many or 0) < (alone or 0)


def test_a_return_that_one_run_did_not_know_yet_is_taken_from_the_other() -> None:
    late = pl.col("date") > FIRST + timedelta(days=60)
    early = forecasts_with_noise(2).with_columns(target=pl.when(~late).then("target"))
    rows = compare({"early": early, "later": forecasts_with_noise(3)})

    assert {row.score.ic.days for row in rows} == {120}


def test_horizons_that_some_runs_lack_are_listed() -> None:
    table = {"both": forecasts_with_noise(2), "one": forecasts_with_noise(2).filter(horizon=1)}

    assert list_horizons_not_compared(table) == [5]
    assert {row.horizon for row in compare(table)} == {1}


def test_a_table_that_is_cut_short_is_named(tmp_path: Path) -> None:
    path = tmp_path / "forecasts.parquet"
    forecasts_with_noise(1).with_columns(split=pl.lit("test")).write_parquet(path)
    path.write_bytes(path.read_bytes()[:-100])

    with pytest.raises(InputError, match="forecasts.parquet is not readable as a table"):
        read_split_forecasts(tmp_path, "test")


def test_portfolios_keep_stocks_that_have_left_the_universe() -> None:
    everything = forecasts_with_noise(2)
    returns = {0: pivot_returns(everything)}
    leaving = pl.col("date") < FIRST + timedelta(days=10) + pl.duration(days=2 * pl.col("code").str.tail(2).cast(int))
    table = everything.filter(leaving)
    scored = score_forecasts(table, index_returns(returns[0].filter(pl.col("date") <= table["date"].max())), EVALUATION)

    rows = compare_runs({"one": table, "same": table}, {"one": returns, "same": returns}, EVALUATION)

    for row in rows:
        assert row.score.long_short == scored.score.horizons[row.horizon].long_short
        assert row.score.long_short is not None
        assert row.score.long_short.unknown_returns == 0


def test_runs_without_horizon_1_have_portfolios_of_the_returns_that_scoring_used() -> None:
    returns = {run: {0: pivot_returns(forecasts_with_noise(2))} for run in ("one", "other")}
    table = {"one": forecasts_with_noise(2).filter(horizon=5), "other": forecasts_with_noise(3).filter(horizon=5)}

    assert all(row.score.long_short is not None for row in compare_runs(table, returns, EVALUATION))


def test_runs_are_compared_from_every_entry_and_may_be_trained_for_different_ones() -> None:
    first, other = forecasts_with_noise(2), forecasts_with_noise(3)
    later = pivot_returns(first).with_columns(pl.col("target_1d", "target_5d").shift(-1).over("code", order_by="date"))
    returns = {"one": {0: pivot_returns(first), 1: later}, "other": {1: later, 0: pivot_returns(other)}}

    rows = compare_runs({"one": first, "other": other}, returns, EVALUATION)

    assert [(row.horizon, row.entry_lag) for row in rows] == [
        (1, 0),
        (1, 0),
        (1, 1),
        (1, 1),
        (5, 0),
        (5, 0),
        (5, 1),
        (5, 1),
    ]
    assert rows[2].score == score_forecasts(first, index_returns(later), EVALUATION).score.horizons[1]
