"""Test whole scores against cases worked out by hand."""

from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from atft_kedro.evaluation.align import index_returns
from atft_kedro.evaluation.score import EvaluationParams
from atft_kedro.evaluation.score_forecasts import score_forecasts
from atft_kedro.market.oracle import attainable_ic
from atft_kedro.market.simulated_drivers import MarketParams
from atft_kedro.market.simulation import simulate_market
from factories.forecasts import EVALUATION, FIRST, IN_RETURNS, evaluate, forecast, realise, score
from factories.params import make_params


@pytest.mark.parametrize("horizon", [1, 5])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_perfect_forecast_is_one_and_a_reversed_one_minus_one_everywhere(sign: int, horizon: int) -> None:
    realised = realise()
    scored = score(forecast(realised, sign * pl.col(f"target_{horizon}d"), horizon), realised, horizon)

    assert scored.ic.mean == pytest.approx(sign)
    assert scored.rank_ic.mean == pytest.approx(sign)
    assert scored.hit_rate.mean == (sign + 1) / 2
    assert scored.scale.mean == pytest.approx(1)
    assert np.all(np.diff(scored.deciles) * sign > 0)  # type: ignore[arg-type]
    if horizon == 1:
        assert scored.long_short is not None
        assert scored.long_only is not None
        for book in (scored.long_short, scored.long_only):
            assert np.sign(book.gross_sharpe or 0) == sign
            assert abs(book.gross_sharpe or 0) > 10


def test_a_constant_forecast_has_no_score() -> None:
    realised = realise()
    scored = score(forecast(realised, pl.lit(0.1)), realised)

    assert (scored.ic.mean, scored.rank_ic.mean, scored.hit_rate.mean) == (None, None, None)
    assert (scored.ic.days, scored.ic.undefined) == (0, 60)
    assert scored.deciles.count(None) == 9  # all share the middle
    assert scored.long_short is not None
    assert scored.long_short.gross_sharpe is None


def test_the_order_of_rows_changes_nothing() -> None:
    realised = realise()
    forecasts = forecast(realised, pl.col("target_1d") + pl.col("target_5d"))

    assert evaluate(forecasts, realised) == evaluate(
        forecasts.sample(fraction=1, shuffle=True, seed=1), realised.sample(fraction=1, shuffle=True, seed=2)
    )


def test_the_oracles_score_matches_the_markets_parameters() -> None:
    params = make_params(MarketParams, stocks=300, days=500, missing_days=0)
    market = simulate_market(params)
    closes = market.prices.sort("code", "date")
    realised = closes.select(
        "date", "code", target_1d=(pl.col("close").shift(-1) / pl.col("close") - 1).over("code"), close="close"
    )
    scored = score(market.oracle.select("date", "code", horizon=1, forecast="oracle_1d").drop_nulls(), realised)

    assert scored.ic.mean == pytest.approx(attainable_ic(params), abs=3 * (scored.ic.se or 0))
    assert scored.ic.se == pytest.approx((scored.ic.std or 0) / scored.ic.days**0.5, rel=0.3)
    assert scored.long_short is not None
    assert (scored.long_short.gross_sharpe or 0) > 3


def test_signal_weights_and_top_stocks_are_parameters() -> None:
    realised = realise()
    forecasts = forecast(realised, pl.col("target_1d"))
    scored = evaluate(
        forecasts,
        realised,
        EvaluationParams.model_validate(
            {"portfolio": {"weights": "signal", "top": 5, "cost_bp": 0}, "units": "gaussian_rank"}
        ),
    ).horizons[1]

    assert scored.long_short is not None
    assert scored.long_short.net_sharpe == scored.long_short.gross_sharpe
    assert scored.long_only is not None
    assert (scored.long_only.turnover or 0) > 1  # five of forty change nearly all


def test_the_scale_is_relative_to_the_labels_of_the_day() -> None:
    realised = realise()
    day = pl.col("target_1d").std(ddof=0).over("date")
    table = forecast(realised, pl.col("target_1d") / day / 2)

    assert evaluate(table, realised, EVALUATION.model_copy(update={"units": "zscore"})).horizons[
        1
    ].scale.mean == pytest.approx(0.5)


def test_a_quantile_covers_the_labels_below_it() -> None:
    realised = realise(days=200)
    table = (
        forecast(realised, pl.lit(0.0))
        .with_columns(
            forecast=pl.Series(np.random.default_rng(1).normal(size=len(realised))), q10=-1.2816, q50=0.0, q97_5=9.0
        )
        .rename({"q97_5": "q97.5"})
    )
    scored = evaluate(table, realised).horizons[1]

    assert list(scored.coverage) == ["q10", "q50", "q97.5"]
    assert scored.coverage["q10"].mean == pytest.approx(0.1, abs=1e-9)  # of 40 Gaussian ranks, 4 are below
    assert scored.coverage["q50"].mean == pytest.approx(0.5)
    assert scored.coverage["q97.5"].mean == 1


def test_daily_rows_average_to_the_score() -> None:
    realised = realise()
    table = forecast(realised, pl.col("target_1d") + pl.col("target_5d"))
    scored_run = score_forecasts(table, index_returns(realised), EVALUATION)
    scored = scored_run.score.horizons[1]

    assert scored_run.daily["date"].to_list() == realised["date"].unique().sort().to_list()
    assert scored_run.daily["ic"].mean() == pytest.approx(scored.ic.mean)
    assert scored.long_short is not None
    assert scored_run.daily["long_short_net"].mean() == pytest.approx(scored.long_short.net_mean)


def test_a_calibrated_forecast_has_labels_like_its_forecasts() -> None:
    realised = realise(days=100)
    scored = evaluate(forecast(realised, pl.col("target_1d")), realised, IN_RETURNS)

    for table, realised_values in scored.horizons[1].calibration:
        assert table == pytest.approx(realised_values)


def test_weekly_portfolios_match_a_slow_loop() -> None:
    realised = realise(days=40, stocks=23)
    random = np.random.default_rng(9)
    late = realised.filter(pl.col("date") >= FIRST + timedelta(days=11))
    late = late.with_columns(signal=pl.Series(random.normal(size=len(late))))
    scored = evaluate(forecast(late, pl.col("signal"), 5), realised, EVALUATION)

    returns = late.sort("date", "code")["target_1d"].to_numpy().reshape(29, 23)
    table = late.sort("date", "code")["signal"].to_numpy().reshape(29, 23)
    book = np.zeros((29, 23))
    for day in range(29):
        order = table[day].argsort()
        book[day, order[-2:]], book[day, order[:2]] = (
            0.25,
            -0.25,
        )  # ranks 1, 2 and 22, 23 are in the outer deciles of 23
    earned, traded, before = [], [], np.zeros(23)
    for day in range(29):
        held = sum(book[day - back] for back in range(5) if day >= back) / 5
        earned.append((held * returns[day]).sum())
        traded.append(np.abs(held - before).sum())
        before = held
    own = scored.horizons[5].long_short
    assert own is not None
    assert scored.first == str(FIRST + timedelta(days=11))
    assert own.days == 29
    assert own.gross_mean == pytest.approx(np.mean(earned))
    assert own.turnover == pytest.approx(np.mean(traded))
    assert own.net_mean == pytest.approx(np.mean(earned) - 10e-4 * np.mean(traded))


def test_the_ic_decays_over_other_horizons() -> None:
    realised = realise().with_columns(target_5d=pl.col("target_1d") + pl.col("target_5d"))
    scored = score(forecast(realised, pl.col("target_1d")), realised)

    assert scored.decay[1] == scored.ic.mean
    assert 0.3 < (scored.decay[5] or 0) < 0.6  # 0.02 of sqrt(0.02² + 0.04²)


def test_days_without_returns_yet_have_no_return_and_no_cost() -> None:
    realised = realise(days=30)
    known = realised.with_columns(target_1d=pl.when(pl.col("date") < FIRST + timedelta(days=20)).then("target_1d"))
    forecasts = forecast(realised, pl.col("target_5d"))
    whole = score(forecasts, known)
    cut = score(forecasts.filter(pl.col("date") < FIRST + timedelta(days=20)), known)

    assert whole.long_short == cut.long_short
    assert whole.long_short is not None
    assert whole.long_short.days == whole.ic.days == 20
    assert whole.ic.undefined == 0


@pytest.mark.parametrize("stocks", [15, 39])
def test_the_sharpe_ratio_is_undefined_without_trades(stocks: int) -> None:
    realised = realise(stocks=stocks)
    scored = score(forecast(realised, pl.lit(0.1)), realised)

    for book in (scored.long_short, scored.long_only):
        assert book is not None
        assert (book.gross_sharpe, book.net_sharpe, book.turnover) == (None, None, 0)
