"""The oracle of the simulated market: its forecasts are unbiased, and its IC is known from the parameters."""

import polars as pl
import pytest

from atft_kedro.market.oracle import attainable_ic
from atft_kedro.market.simulated_drivers import DRIFT
from atft_kedro.market.simulation import simulate_market
from factories.datasets import daily_ic
from factories.simulated_markets import LARGE, NO_EFFECTS, add_realised_returns, mean_and_error


@pytest.mark.parametrize("seed", [5, 6, 7])
def test_the_oracles_ic_follows_from_the_parameters(seed: int) -> None:
    params = LARGE.model_copy(update={"seed": seed})

    measured, error = mean_and_error(daily_ic(add_realised_returns(simulate_market(params)), "oracle_1d", "realised"))

    assert abs(measured - attainable_ic(params)) < 3 * error
    assert 0.05 < attainable_ic(params) < 0.15


@pytest.mark.parametrize("effect", ["reversal", "momentum", "spillover", "periodic"])
def test_the_ic_of_a_single_effect_is_its_strength(effect: str) -> None:
    params = LARGE.model_copy(update={"strengths": NO_EFFECTS.model_copy(update={effect: 0.1})})

    measured, error = mean_and_error(daily_ic(add_realised_returns(simulate_market(params)), "oracle_1d", "realised"))

    assert attainable_ic(params) == pytest.approx(0.1, abs=0.01)
    assert abs(measured - attainable_ic(params)) < 3 * error


def test_without_effects_the_oracle_is_constant_and_its_ic_is_zero() -> None:
    market = simulate_market(LARGE.model_copy(update={"strengths": NO_EFFECTS}))

    assert attainable_ic(LARGE.model_copy(update={"strengths": NO_EFFECTS})) == 0
    days = market.oracle["oracle_1d"].drop_nulls() / DRIFT  # 1, and more over missing days
    assert (days - days.round()).abs().max() < 1e-9
    assert days.max() < 6


@pytest.mark.parametrize(("entry_lag", "horizon"), [(1, 5), (3, 1)])
def test_the_oracle_of_a_later_entry_is_the_best_forecast_of_its_returns(entry_lag: int, horizon: int) -> None:
    params = LARGE.model_copy(update={"entry_lag": entry_lag, "missing_days": 0})
    market = simulate_market(params)
    close = pl.col("close")
    realised = (close.shift(-entry_lag - horizon) / close.shift(-entry_lag) - 1).over("code").alias("realised")
    rows = market.prices.sort("code", "date").with_columns(realised).join(market.oracle, on=["date", "code"])

    best, error = mean_and_error(daily_ic(rows, f"oracle_{horizon}d_lag{entry_lag}", "realised"))
    same_close, _ = mean_and_error(daily_ic(rows, f"oracle_{horizon}d", "realised"))
    assert best > same_close + error


@pytest.mark.parametrize("horizon", [5, 10, 20])
def test_the_oracle_forecasts_longer_horizons_without_bias(horizon: int) -> None:
    rows = add_realised_returns(simulate_market(LARGE), horizon).drop_nulls([f"oracle_{horizon}d", "realised"])
    by_day = rows.select("date", x=pl.col(f"oracle_{horizon}d"), y="realised").with_columns(
        pl.col("x", "y") - pl.col("x", "y").mean().over("date")
    )
    slopes = by_day.group_by("date").agg(slope=(pl.col("x") * pl.col("y")).sum() / (pl.col("x") ** 2).sum())
    blocks = slopes.sort("date").with_row_index().group_by(pl.col("index") // (2 * horizon)).agg(pl.col("slope").mean())

    mean, error = mean_and_error(blocks["slope"])

    assert abs(mean - 1) < 3 * error
    assert mean > 0.5
