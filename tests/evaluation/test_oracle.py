"""Test the oracle's forecasts."""

import polars as pl

from atft_kedro.evaluation.oracle import forecast_with_oracle


def test_the_oracle_forecasts_the_networks_keys_if_it_exists(keys: pl.DataFrame) -> None:
    oracle = keys.filter(horizon=1).select("date", "code", oracle_1d=pl.lit(0.5))

    assert len(forecast_with_oracle(keys, oracle, 0)) == len(keys.filter(horizon=1))
    assert len(forecast_with_oracle(keys, pl.DataFrame(schema={"date": pl.Date, "code": pl.String}), 0)) == 0
