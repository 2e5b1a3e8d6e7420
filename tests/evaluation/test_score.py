"""Whole scores: cases by hand, and what cannot be scored."""

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
    told = score(forecast(realised, sign * pl.col(f"target_{horizon}d"), horizon), realised, horizon)

    assert told.ic.mean == pytest.approx(sign)
    assert told.rank_ic.mean == pytest.approx(sign)
    assert told.hit_rate.mean == (sign + 1) / 2
    assert told.scale.mean == pytest.approx(1)
    assert np.all(np.diff(told.deciles) * sign > 0)  # type: ignore[arg-type]
    if horizon == 1:
        assert told.long_short is not None
        assert told.long_only is not None
        for book in (told.long_short, told.long_only):
            assert np.sign(book.gross_sharpe or 0) == sign
            assert abs(book.gross_sharpe or 0) > 10


def test_a_constant_forecast_is_worth_no_number() -> None:
    realised = realise()
    told = score(forecast(realised, pl.lit(0.1)), realised)

    assert (told.ic.mean, told.rank_ic.mean, told.hit_rate.mean) == (None, None, None)
    assert (told.ic.days, told.ic.undefined) == (0, 60)
    assert told.deciles.count(None) == 9  # all share the middle
    assert told.long_short is not None
    assert told.long_short.gross_sharpe is None


def test_the_order_of_rows_changes_nothing() -> None:
    realised = realise()
    forecasts = forecast(realised, pl.col("target_1d") + pl.col("target_5d"))

    assert evaluate(forecasts, realised) == evaluate(
        forecasts.sample(fraction=1, shuffle=True, seed=1), realised.sample(fraction=1, shuffle=True, seed=2)
    )


def test_the_oracles_score_is_what_the_markets_parameters_say() -> None:
    params = make_params(MarketParams, stocks=300, days=500, missing_days=0)
    market = simulate_market(params)
    closes = market.prices.sort("code", "date")
    realised = closes.select(
        "date", "code", target_1d=(pl.col("close").shift(-1) / pl.col("close") - 1).over("code"), close="close"
    )
    told = score(market.oracle.select("date", "code", horizon=1, forecast="oracle_1d").drop_nulls(), realised)

    assert told.ic.mean == pytest.approx(attainable_ic(params), abs=3 * (told.ic.se or 0))
    assert told.ic.se == pytest.approx((told.ic.std or 0) / told.ic.days**0.5, rel=0.3)
    assert told.long_short is not None
    assert (told.long_short.gross_sharpe or 0) > 3


def test_signal_weights_and_top_stocks_are_parameters() -> None:
    realised = realise()
    forecasts = forecast(realised, pl.col("target_1d"))
    told = evaluate(
        forecasts,
        realised,
        EvaluationParams.model_validate({"portfolio": {"weights": "signal", "top": 5, "cost_bp": 0}}),
    ).horizons[1]

    assert told.long_short is not None
    assert told.long_short.net_sharpe == told.long_short.gross_sharpe
    assert told.long_only is not None
    assert (told.long_only.turnover or 0) > 1  # five of forty change nearly all


def test_the_scale_of_forecasts_is_beside_the_labels_of_their_days() -> None:
    realised = realise()
    day = pl.col("target_1d").std(ddof=0).over("date")
    said = forecast(realised, pl.col("target_1d") / day / 2)

    assert evaluate(said, realised, EVALUATION.model_copy(update={"units": "zscore"})).horizons[
        1
    ].scale.mean == pytest.approx(0.5)


def test_a_quantile_covers_what_lies_below_it() -> None:
    realised = realise(days=200)
    said = (
        forecast(realised, pl.lit(0.0))
        .with_columns(
            forecast=pl.Series(np.random.default_rng(1).normal(size=len(realised))), q10=-1.2816, q50=0.0, q97_5=9.0
        )
        .rename({"q97_5": "q97.5"})
    )
    told = evaluate(said, realised).horizons[1]

    assert list(told.coverage) == ["q10", "q50", "q97.5"]
    assert told.coverage["q10"].mean == pytest.approx(0.1, abs=1e-9)  # of 40 Gaussian ranks, 4 are below
    assert told.coverage["q50"].mean == pytest.approx(0.5)
    assert told.coverage["q97.5"].mean == 1


def test_each_day_is_told_and_the_score_is_their_mean() -> None:
    realised = realise()
    said = forecast(realised, pl.col("target_1d") + pl.col("target_5d"))
    judged = score_forecasts(said, index_returns(realised), EVALUATION)
    told = judged.score.horizons[1]

    assert judged.daily["date"].to_list() == realised["date"].unique().sort().to_list()
    assert judged.daily["ic"].mean() == pytest.approx(told.ic.mean)
    assert told.long_short is not None
    assert judged.daily["long_short_net"].mean() == pytest.approx(told.long_short.net_mean)


def test_a_calibrated_forecast_has_labels_like_its_forecasts() -> None:
    realised = realise(days=100)
    told = evaluate(forecast(realised, pl.col("target_1d")), realised, IN_RETURNS)

    for said, came in told.horizons[1].calibration:
        assert said == pytest.approx(came)


def test_books_of_a_week_earn_what_a_slow_loop_says() -> None:
    realised = realise(days=40, stocks=23)
    random = np.random.default_rng(9)
    late = realised.filter(pl.col("date") >= FIRST + timedelta(days=11))
    late = late.with_columns(said=pl.Series(random.normal(size=len(late))))
    told = evaluate(forecast(late, pl.col("said"), 5), realised, EVALUATION)

    returns = late.sort("date", "code")["target_1d"].to_numpy().reshape(29, 23)
    said = late.sort("date", "code")["said"].to_numpy().reshape(29, 23)
    book = np.zeros((29, 23))
    for day in range(29):
        order = said[day].argsort()
        book[day, order[-2:]], book[day, order[:2]] = 0.25, -0.25  # ranks 1, 2 and 22, 23 are within a tenth of 23
    earned, traded, before = [], [], np.zeros(23)
    for day in range(29):
        held = sum(book[day - back] for back in range(5) if day >= back) / 5
        earned.append((held * returns[day]).sum())
        traded.append(np.abs(held - before).sum())
        before = held
    mine = told.horizons[5].long_short
    assert mine is not None
    assert told.first == str(FIRST + timedelta(days=11))
    assert mine.days == 29
    assert mine.gross_mean == pytest.approx(np.mean(earned))
    assert mine.turnover == pytest.approx(np.mean(traded))
    assert mine.net_mean == pytest.approx(np.mean(earned) - 10e-4 * np.mean(traded))


def test_a_forecast_fades_over_other_horizons() -> None:
    realised = realise().with_columns(target_5d=pl.col("target_1d") + pl.col("target_5d"))
    told = score(forecast(realised, pl.col("target_1d")), realised)

    assert told.decay[1] == told.ic.mean
    assert 0.3 < (told.decay[5] or 0) < 0.6  # 0.02 of sqrt(0.02² + 0.04²)


def test_days_whose_returns_are_to_come_earn_nothing_and_cost_nothing() -> None:
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
def test_nothing_traded_has_no_ratio(stocks: int) -> None:
    realised = realise(stocks=stocks)
    told = score(forecast(realised, pl.lit(0.1)), realised)

    for book in (told.long_short, told.long_only):
        assert book is not None
        assert (book.gross_sharpe, book.net_sharpe, book.turnover) == (None, None, 0)
