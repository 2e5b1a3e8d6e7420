"""Test the positions of the newest day against the backtest, and over several days."""

import json
import logging
from datetime import date, timedelta
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
from atft_kedro.positions.live import HELD, SCHEMA, TRADE, WEIGHT, find_calibration, plan_positions
from atft_kedro.positions.plan import PositionParams
from atft_kedro.positions.simulate import simulate_positions
from atft_kedro.schema import oracle_column
from atft_kedro.training.params import TrainingParams
from atft_kedro.training.runs import Runs
from factories.params import make_params

MARKET = simulate_market(make_params(MarketParams, stocks=40, days=160, seed=3, delistings=0.0))
DAYS = MARKET.prices["date"].unique().sort()
NOTHING = pl.DataFrame(schema=SCHEMA)
PARAMS: dict[str, Any] = {
    "entry": "close",
    "refit_days": 1,
    "risk": {"window": 60},
    "costs": {"flat_bp": 10.0},
    "sensitivity": {},
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
    calibrations: Calibrations,
    day: date,
    previous: pl.DataFrame,
    prices: pl.DataFrame = MARKET.prices,
    delistings: pl.DataFrame = NO_DELISTINGS,
    **changes: Any,
) -> tuple[pl.DataFrame, dict[str, Any]]:
    known, newest = prices.lazy().filter(pl.col("date") <= day), FORECASTS.filter(pl.col("date") <= day).drop("split")
    params = make_params(PositionParams, **PARAMS | changes)
    return plan_positions(newest, known, calibrations.folds[0], previous, delistings, params)


def end_prices(code: str, last: date) -> pl.DataFrame:
    return MARKET.prices.filter((pl.col("code") != code) | (pl.col("date") <= last))


def get(table: pl.DataFrame, code: str, column: str) -> float:
    return float(table.filter(pl.col("code") == code)[column].item())


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


def test_a_delisted_stock_earns_its_last_return_and_becomes_cash(calibrations: Calibrations) -> None:
    first, _ = plan(calibrations, DAYS[140], NOTHING)
    ended, other = first["code"][0], first["code"][-1]
    prices = end_prices(ended, DAYS[140])
    row = pl.DataFrame({"date": [DAYS[141]], "code": [ended], "return": [-1.0]})

    without, _ = plan(calibrations, DAYS[141], first, prices)
    later, _ = plan(calibrations, DAYS[141], first, prices, row)
    again, _ = plan(calibrations, DAYS[141], later, prices, row)
    early, _ = plan(calibrations, DAYS[141], first, prices, row.with_columns(pl.col("date") + timedelta(1)))

    assert ended not in later["code"]
    assert again.equals(later)
    assert early.equals(without)
    weight = get(without, ended, HELD)  # without its return, and then the equity is smaller by the weight
    assert get(later, other, HELD) == pytest.approx(get(without, other, HELD) / (1 - weight), rel=1e-12)
    assert weight > 0.01


def test_a_suspended_stock_keeps_its_last_price_and_is_not_traded(
    calibrations: Calibrations, caplog: pytest.LogCaptureFixture
) -> None:
    first, _ = plan(calibrations, DAYS[140], NOTHING)
    code = first["code"][0]

    with caplog.at_level(logging.WARNING):
        later, _ = plan(calibrations, DAYS[142], first, end_prices(code, DAYS[140]))

    assert get(later, code, TRADE) == 0
    assert get(later, code, HELD) == get(later, code, WEIGHT) == pytest.approx(get(first, code, WEIGHT), rel=0.05)
    assert f"1 held stock(s) have no price on {DAYS[142]} and are not traded" in caplog.text
    assert f"delistings): {code}" in caplog.text


def test_a_held_stock_that_is_not_in_the_prices_keeps_its_value_until_the_table_of_delistings_has_it(
    calibrations: Calibrations, caplog: pytest.LogCaptureFixture
) -> None:
    first, _ = plan(calibrations, DAYS[140], NOTHING)
    code, other = first["code"][0], first["code"][1]
    prices = MARKET.prices.filter(pl.col("code") != code)
    row = pl.DataFrame({"date": [DAYS[140]], "code": [code], "return": [-0.5]})

    with caplog.at_level(logging.WARNING):
        later, summary = plan(calibrations, DAYS[142], first, prices)
    paid, _ = plan(calibrations, DAYS[142], first, prices, row)
    early, _ = plan(calibrations, DAYS[142], first, prices, row.with_columns(pl.lit(DAYS[143]).alias("date")))

    assert get(later, code, TRADE) == 0
    assert get(later, code, HELD) == get(later, code, WEIGHT) == pytest.approx(get(first, code, WEIGHT), rel=0.05)
    assert f"1 held stock(s) have no price on {DAYS[142]}" in caplog.text
    assert summary["gross_exposure"] == pytest.approx(later[WEIGHT].abs().sum())
    assert early.equals(later)
    assert code not in paid["code"]
    equity = 1 - 0.5 * get(later, code, HELD)  # its last return is −50 %
    assert get(paid, other, HELD) == pytest.approx(get(later, other, HELD) / equity, rel=1e-12)


def test_positions_that_lost_all_capital_are_refused(calibrations: Calibrations) -> None:
    first, _ = plan(calibrations, DAYS[140], NOTHING)
    code = first["code"][0]
    all_in = first.filter(pl.col("code") == code).with_columns(pl.lit(1.0).alias(WEIGHT))
    row = pl.DataFrame({"date": [DAYS[141]], "code": [code], "return": [-1.0]})

    with pytest.raises(InputError, match=f"planned on {DAYS[140]} have lost all their capital by {DAYS[141]}: delete"):
        plan(calibrations, DAYS[141], all_in, end_prices(code, DAYS[140]), row)


def test_a_day_before_the_planned_positions_is_refused(calibrations: Calibrations) -> None:
    first, _ = plan(calibrations, DAYS[141], NOTHING)

    with pytest.raises(InputError, match=f"planned before are of {DAYS[141]}, and the newest forecasts are of"):
        plan(calibrations, DAYS[140], first)


def test_another_entry_than_the_tested_one_is_refused(calibrations: Calibrations) -> None:
    with pytest.raises(InputError, match="were tested with positions.entry=close, and now it is next_open"):
        plan(calibrations, DAYS[140], NOTHING, entry="next_open")


def test_a_refit_has_the_calibration_of_the_run_that_it_repeats(tmp_path: Path, calibrations: Calibrations) -> None:
    for run, recipe in (("20260101-a", None), ("20260102-b", "20260101-a")):
        (tmp_path / run).mkdir()
        training = make_params(TrainingParams).model_copy(update={"refit_of": recipe}).model_dump(mode="json")
        (tmp_path / run / "manifest.json").write_text(json.dumps({"training": training}))
    runs = Runs(tmp_path, commit="", is_dirty=False)
    for run in runs.names():
        with pytest.raises(InputError, match="run 20260101-a has no tested positions"):
            find_calibration(runs, run)

    (tmp_path / "20260101-a" / "position_calibrations.json").write_text(calibrations.model_dump_json())

    assert [find_calibration(runs, run) for run in runs.names()] == [calibrations.folds[0]] * 2
