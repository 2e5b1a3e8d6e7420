"""Test how forecasts of several horizons become expected returns per day held."""

import numpy as np
import polars as pl
import pytest

from atft_kedro.params import InputError
from atft_kedro.positions.expected_returns import (
    Calibration,
    calibrate,
    centre_returns,
    combine_horizons,
    entry_prices,
    expect_returns,
    measure_dispersion,
    standardise_forecasts,
    weigh_horizons,
)
from atft_kedro.positions.price_arrays import PriceArrays
from factories.price_arrays import draw_arrays, make_arrays

HORIZONS = [1, 5, 10, 20]


def make_forecasts(
    arrays: PriceArrays, values: np.ndarray, horizon: int = 1, split: str = "validation"
) -> pl.DataFrame:
    days, stocks = np.nonzero(np.isfinite(values))
    return pl.DataFrame(
        {"date": arrays.index.days[days], "code": arrays.index.codes[stocks], "forecast": values[days, stocks]}
    ).with_columns(horizon=pl.lit(horizon, pl.Int16), split=pl.lit(split))


@pytest.mark.parametrize("holding_days", [1.0, 3.0, 10.0])
@pytest.mark.parametrize("decay", [0.02, 0.1, 0.5])
def test_a_decaying_signal_has_the_aim_of_garleanu_and_pedersen(decay: float, holding_days: float) -> None:
    horizons = list(range(1, 600))
    returns = {horizon: (1 - (1 - decay) ** horizon) / decay for horizon in horizons}  # sum of the signal's days

    per_day = sum(weight * returns[horizon] for horizon, weight in weigh_horizons(horizons, holding_days).items())

    rate = 1 / holding_days
    assert per_day == pytest.approx(1 / (1 + decay * (1 - rate) / rate), rel=1e-6)


def test_a_position_held_for_one_day_earns_the_shortest_horizon() -> None:
    weights = weigh_horizons(HORIZONS, 1.0)

    assert weights == {1: 1.0, 5: 0.0, 10: 0.0, 20: 0.0}
    assert all(weight > 0 for weight in weigh_horizons(HORIZONS, 8.0).values())


@pytest.mark.parametrize(("entry", "lag"), [("close", 0), ("next_close", 1), ("next_open", 1)])
def test_the_slope_is_that_of_returns_after_the_entry(entry: str, lag: int) -> None:
    rng = np.random.default_rng(4)
    score = rng.normal(size=(400, 80))
    returns = 0.02 * rng.normal(size=(401, 80))
    returns[1 + lag :] += 0.02 * 0.3 * score[: 400 - lag]  # the day after the entry
    close = 10 * np.cumprod(1 + returns, axis=0)
    arrays = make_arrays(close)
    scores = standardise_forecasts(make_forecasts(arrays, np.vstack([score, np.full((1, 80), np.nan)])), arrays)

    result = calibrate(scores, arrays, entry, np.isfinite(scores[1]).any(1))  # type: ignore[arg-type]

    assert result.slopes[1] == pytest.approx((0.3 / np.sqrt(1 + 0.3**2),), abs=0.03)
    assert result.t[1][0] > 10


def test_one_wrong_price_does_not_decide_a_calibration() -> None:
    rng = np.random.default_rng(5)
    score = rng.normal(size=(300, 60))
    returns = np.vstack([np.zeros((1, 60)), 0.02 * (0.2 * score[:-1] + rng.normal(size=(299, 60)))])
    wrong = returns.copy()
    wrong[150, np.argmin(score[149])] = 40.0  # the stock with the lowest forecast gains 4,000 %
    marked = np.arange(300) < 299

    one, other = (
        calibrate({1: score}, make_arrays(10 * np.cumprod(1 + moves, axis=0)), "close", marked)
        for moves in (returns, wrong)
    )

    assert other.slopes[1] == pytest.approx(one.slopes[1], rel=0.02)
    assert other.t[1] == pytest.approx(one.t[1], rel=0.05)


def test_liquidity_groups_have_their_own_slopes() -> None:
    rng = np.random.default_rng(11)
    score, slope = rng.normal(size=(400, 150)), np.repeat([0.0, 0.1, 0.3], 50)
    returns = np.vstack([np.zeros((1, 150)), 0.02 * (slope * score[:-1] + rng.normal(size=(399, 150)))])
    order = rng.permutation(150)  # columns are not sorted by liquidity
    liquidity = np.broadcast_to(np.repeat([1e8, 1e7, 1e6], 50) * rng.uniform(1, 2, size=150), score.shape)
    arrays = make_arrays(10 * np.cumprod(1 + returns, axis=0)[:, order], traded_value=liquidity[:, order])

    result = calibrate({1: score[:, order]}, arrays, "close", np.arange(400) < 399)
    expected = combine_horizons({1: np.ones((400, 150))}, result, arrays, 1.0)

    assert result.slopes[1] == pytest.approx((0.0, 0.1, 0.3), abs=0.02)
    assert expected[300] / measure_dispersion(arrays.returns)[300] == pytest.approx(slope[order], abs=0.02)


def test_without_traded_values_all_stocks_have_one_slope() -> None:
    rng = np.random.default_rng(12)
    score = rng.normal(size=(200, 150))
    returns = np.vstack([np.zeros((1, 150)), 0.02 * (0.2 * score[:-1] + rng.normal(size=(199, 150)))])
    arrays = make_arrays(10 * np.cumprod(1 + returns, axis=0), traded_value=np.full(score.shape, np.nan))

    result = calibrate({1: score}, arrays, "close", np.arange(200) < 199)

    assert result.find_slopes(1, arrays.daily_value)[150] == pytest.approx(np.full(150, 0.2), abs=0.03)


def test_a_market_in_which_most_prices_do_not_change_keeps_its_returns() -> None:
    returns = np.zeros((3, 10))
    returns[1, 0] = 0.1

    assert centre_returns(returns)[1] == pytest.approx(returns[1] - 0.01)


def test_prices_after_the_validation_days_change_no_calibration() -> None:
    arrays, rng = draw_arrays(120, 30), np.random.default_rng(6)
    values = rng.normal(size=(120, 30))
    marked = np.arange(120) < 80
    changed = arrays.close.copy()
    changed[80:] *= rng.uniform(0.5, 2, size=changed[80:].shape)
    later = make_arrays(changed, arrays.open, terminal_return=arrays.terminal_return)

    for entry in ("close", "next_close"):
        one, other = (calibrate({5: values, 20: values}, market, entry, marked) for market in (arrays, later))  # type: ignore[arg-type]
        assert one == other


def test_a_horizon_that_was_worth_nothing_or_less_has_no_weight() -> None:
    arrays, rng = draw_arrays(300, 30, has_gaps=False), np.random.default_rng(6)
    future = np.vstack([arrays.returns[1:], np.full((1, 30), np.nan)])

    result = calibrate({1: -future, 5: rng.normal(size=future.shape)}, arrays, "close", np.arange(300) < 299)

    assert result.slopes[1] == (0,)
    assert result.t[1][0] < -10
    assert abs(result.slopes[5][0]) < 0.01


def test_equal_forecasts_are_worth_nothing_and_missing_ones_stay_unknown() -> None:
    arrays = draw_arrays(30, 8, has_gaps=False)
    values = np.full((30, 8), 0.1 + 0.2)
    values[:, 3] = np.nan

    scores = standardise_forecasts(make_forecasts(arrays, values), arrays)
    calibration = Calibration(entry="close", slopes={1: (1.0,)}, t={1: (9,)}, days=9)
    combined = combine_horizons(scores, calibration, arrays, 3.0)

    assert np.isnan(combined[:, 3]).all()
    np.testing.assert_allclose(np.delete(combined, 3, axis=1)[1:], 0, atol=1e-12)  # the first day has no returns


def test_rescaled_forecasts_are_worth_the_same() -> None:
    arrays, rng = draw_arrays(120, 20), np.random.default_rng(8)
    values = rng.normal(size=(120, 20))
    table = pl.concat(
        [
            make_forecasts(arrays, np.where(rows, values, np.nan), 5, split)
            for split, rows in (
                ("validation", (np.arange(120) < 70)[:, None]),
                ("test", (np.arange(120) >= 80)[:, None]),
            )
        ]
    )

    one, other = (
        expect_returns(table.with_columns(pl.col("forecast") * factor + 3), arrays, "close", 5.0).per_day
        for factor in (1, 250)
    )

    np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-15)
    assert np.isnan(one[:80]).all()
    assert np.isfinite(one[80:]).all()


def test_a_fold_is_calibrated_on_its_validation_days_and_on_earlier_ones_only() -> None:
    arrays, rng = draw_arrays(200, 30, has_gaps=False), np.random.default_rng(9)
    future = np.vstack([arrays.returns[1:], np.full((1, 30), np.nan)])
    good, day = future + 0.01 * rng.normal(size=future.shape), np.arange(200)[:, None]

    def make_fold(name: str, sign: float, first: int) -> pl.DataFrame:
        validation = make_forecasts(arrays, np.where((day >= first) & (day < first + 40), sign * good, np.nan))
        tested = make_forecasts(arrays, np.where((day >= first + 50) & (day < first + 90), good, np.nan), split="test")
        return pl.concat([validation, tested]).with_columns(fold=pl.lit(name))

    early, late = make_fold("a", 1, 10), make_fold("b", -1, 100)
    both, alone = (
        expect_returns(table, arrays, "close", 2.0, fold="fold") for table in (pl.concat([late, early]), early)
    )

    first, second = both.calibrations.folds
    assert first == alone.calibrations.folds[0]
    assert first.slopes[1][0] > 0.5
    assert second.t[1][0] == pytest.approx(0, abs=3)  # the later fold's own slope is about that of the other, reversed
    assert (first.days, second.days) == (40, 80)
    np.testing.assert_array_equal(both.per_day[:150], alone.per_day[:150])


def test_forecasts_without_validation_days_are_refused() -> None:
    arrays = draw_arrays(40, 8)

    with pytest.raises(InputError, match="Positions need forecasts of validation days"):
        expect_returns(make_forecasts(arrays, np.ones((40, 8)), split="test"), arrays, "close", 5.0)


def test_the_dispersion_is_known_at_the_close() -> None:
    arrays, other = draw_arrays(50, 10), draw_arrays(50, 10)
    other.close[30:] *= 3

    np.testing.assert_array_equal(measure_dispersion(arrays.returns)[:30], measure_dispersion(other.returns)[:30])


def test_an_open_is_the_entry_price_of_next_open() -> None:
    arrays = draw_arrays(20, 3, has_gaps=False)

    prices, lag = entry_prices(arrays, "next_open")

    assert lag == 1
    np.testing.assert_array_equal(prices, arrays.open)
