"""Checks of live forecasts: each finds its fault, and nothing without one."""

from datetime import timedelta

import polars as pl
import pytest

from atft_kedro.live.live_checks import MonitorParams
from atft_kedro.live.monitor import Champion, monitor_forecasts
from factories.live_forecasts import FIRST, both_horizons, find, make_champion, make_dataset, monitor, to_journal
from factories.params import make_params


@pytest.fixture(scope="module")
def champion() -> Champion:
    return make_champion()


@pytest.fixture(scope="module")
def returns() -> pl.DataFrame:
    return make_dataset(200)


def test_days_without_a_forecast_and_old_forecasts_are_named(returns: pl.DataFrame, champion: Champion) -> None:
    missing, long_ago = returns["date"].max() - timedelta(days=3), FIRST + timedelta(days=3)
    journal = to_journal(both_horizons(returns.filter(~pl.col("date").is_in([missing, long_ago])), 0.1))
    last = journal["date"].max()

    monitored = monitor(returns, journal, champion)
    old = monitor_forecasts(
        journal, champion, returns.lazy(), make_params(MonitorParams, max_age_days=3), last + timedelta(days=7), None
    )

    assert find(monitored, "days").message == f"without a forecast: {missing}"
    assert find(monitored, "age").severity == "ok"
    assert find(old, "age").message == f"the newest forecast, of {last}, is 5 trading days old (at most 3)"
    assert old.report.status == "warning"


def test_features_that_drift_are_listed_first(returns: pl.DataFrame, champion: Champion) -> None:
    journal = to_journal(both_horizons(returns, 0.1))
    newest = pl.col("date") > returns["date"].max() - timedelta(days=20)
    shifted = returns.with_columns(known=pl.when(newest).then(pl.col("known") + 4).otherwise("known"))
    unknown = returns.with_columns(partly=pl.when(newest & (pl.col("code") > "S20")).then(None).otherwise("partly"))

    assert find(monitor(returns, journal, champion), "features").severity == "ok"
    assert find(monitor(shifted, journal, champion), "features").message == "not as in training: known"
    monitored = monitor(unknown, journal, champion)
    assert find(monitored, "features").message == "not as in training: partly"
    name, _, share, before = monitored.features.row(0)
    assert (name, before) == ("partly", 0.1)
    assert share == pytest.approx(0.52, abs=0.05)


def test_wide_forecasts_and_wrong_quantiles_are_warnings(returns: pl.DataFrame, champion: Champion) -> None:
    forecasts = both_horizons(returns, 0.1)
    wide = forecasts.with_columns(forecast=pl.when(horizon=5).then(3 * pl.col("forecast")).otherwise("forecast"))
    narrow = forecasts.with_columns(pl.col("q90") - 0.5)

    assert find(monitor(returns, to_journal(wide), champion), "deviation of forecasts").message.startswith(
        "not as in the test record: 5 d ("
    )
    message = find(monitor(returns, to_journal(narrow), champion), "coverage of quantiles").message
    assert message.startswith("not nominal: 1 d q90 (0.7")
    assert "q10" not in message
