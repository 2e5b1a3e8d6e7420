"""Test the positions of the newest day against the backtest, and over several days."""

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from atft_kedro.market.delistings import NO_DELISTINGS
from atft_kedro.market.simulated_drivers import MarketParams
from atft_kedro.market.simulation import simulate_market
from atft_kedro.params import InputError
from atft_kedro.positions.expected_returns import Calibrations
from atft_kedro.positions.live import HELD, SCHEMA, TRADE, WEIGHT, plan_positions, read_calibration
from atft_kedro.positions.plan import PositionParams
from atft_kedro.positions.simulate import simulate_positions
from atft_kedro.schema import oracle_column
from factories.params import make_params

MARKET = simulate_market(make_params(MarketParams, stocks=40, days=160, seed=3, delistings=0.0))
DAYS = MARKET.prices["date"].unique().sort()
NOTHING = pl.DataFrame(schema=SCHEMA)
PARAMS: dict[str, Any] = {
    "entry": "close",
    "refit_days": 1,
    "risk": {"window": 60},
    "costs": {"flat_bp": 10.0},
    "capacity": [],
    "risk_aversion": 100.0,
}
FORECASTS = (
    MARKET.oracle.select("date", "code", pl.col(oracle_column(1, 0)).alias("forecast"))
    .drop_nulls()
    .with_columns(
        horizon=pl.lit(1, pl.Int16),
        split=pl.when(pl.col("date") < DAYS[140]).then(pl.lit("validation")).otherwise(pl.lit("test")),
    )
    .filter(pl.col("date").is_between(DAYS[62], DAYS[145]))
)


def plan(
    calibrations: Calibrations, day: date, previous: pl.DataFrame, **changes: Any
) -> tuple[pl.DataFrame, dict[str, Any]]:
    prices = MARKET.prices.lazy().filter(pl.col("date") <= day)
    newest = FORECASTS.filter(pl.col("date") <= day).drop("split")
    return plan_positions(
        newest, prices, calibrations.folds[0], previous, make_params(PositionParams, **PARAMS, **changes)
    )


@pytest.fixture(scope="module")
def calibrations() -> Calibrations:
    params = make_params(PositionParams, **PARAMS)
    return simulate_positions(FORECASTS, MARKET.prices.lazy(), NO_DELISTINGS, params).calibrations


def test_live_days_have_the_trades_of_the_backtest(calibrations: Calibrations) -> None:
    params = make_params(PositionParams, **PARAMS)
    backtest = simulate_positions(FORECASTS, MARKET.prices.lazy(), NO_DELISTINGS, params).weights
    previous = NOTHING

    for day in DAYS[140:144]:
        previous, _ = plan(calibrations, day, previous)
        expected = backtest.filter(pl.col("date") == day).select("code", "order", after="weight")
        both = previous.join(expected, on="code", how="full", coalesce=True).fill_null(0)
        np.testing.assert_allclose(both[TRADE], both["order"], atol=2e-4)
        np.testing.assert_allclose(both[WEIGHT], both["after"], atol=2e-4)
        assert both[TRADE].abs().sum() > 0.01


def test_the_same_day_has_the_same_positions_again(calibrations: Calibrations) -> None:
    first, _ = plan(calibrations, DAYS[140], NOTHING)
    second, summary = plan(calibrations, DAYS[141], first)

    again, same = plan(calibrations, DAYS[141], second)

    assert again.equals(second)
    assert same == summary
    assert second[HELD].abs().sum() > 0.05


def test_weights_drift_with_prices_over_a_day_without_a_plan(calibrations: Calibrations) -> None:
    first, _ = plan(calibrations, DAYS[140], NOTHING)
    close = (
        MARKET.prices.filter(pl.col("date").is_in([DAYS[140], DAYS[142]]))
        .sort("date")
        .group_by("code")
        .agg(pl.col("close"))
    )
    grown = first.join(close.select("code", prices="close"), on="code").with_columns(
        value=pl.col(WEIGHT) * pl.col("prices").list.last() / pl.col("prices").list.first()
    )
    equity = 1 + (grown["value"] - grown[WEIGHT]).sum()

    later, _ = plan(calibrations, DAYS[142], first)

    both = grown.select("code", expected=pl.col("value") / equity).join(later, on="code")
    np.testing.assert_allclose(both[HELD], both["expected"], atol=1e-12)
    assert len(both) > 5


def test_trades_have_shares_values_and_costs(calibrations: Calibrations) -> None:
    table, summary = plan(calibrations, DAYS[140], NOTHING, lot_size=100)

    traded = table.filter(pl.col(TRADE) != 0)
    np.testing.assert_allclose(traded["shares"] * traded["close"], traded["value"], rtol=1e-12)
    np.testing.assert_allclose((traded["shares"] / 100).round(), traded["shares"] / 100, atol=1e-9)
    np.testing.assert_allclose(traded["cost"], 1e-3 * traded["value"].abs(), rtol=1e-12)
    assert summary["expected_cost"]["commission"] == pytest.approx(traded["cost"].sum() / 1e7)
    assert summary["turnover"] == pytest.approx(summary["gross_exposure"])
    assert summary["positions_from"] == str(DAYS[140])


def test_another_entry_than_the_tested_one_is_refused(calibrations: Calibrations) -> None:
    params = make_params(PositionParams, **{**PARAMS, "entry": "next_open"})

    with pytest.raises(InputError, match="were tested with positions.entry=close, and now it is next_open"):
        plan_positions(FORECASTS, MARKET.prices.lazy(), calibrations.folds[0], NOTHING, params)


def test_the_calibration_of_a_run_is_read_and_may_be_missing(tmp_path: Path, calibrations: Calibrations) -> None:
    assert read_calibration(tmp_path) is None

    (tmp_path / "position_calibrations.json").write_text(calibrations.model_dump_json())

    assert read_calibration(tmp_path) == calibrations.folds[0]
