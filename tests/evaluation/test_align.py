"""Test that tables which cannot be scored are refused or counted."""

from datetime import date, timedelta

import polars as pl
import pytest

from atft_kedro.params import InputError
from factories.forecasts import FIRST, IN_RETURNS, evaluate, forecast, realise, score


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.cast({"date": pl.String}), r"forecasts' date is String, not a date: cast it with \.dt\.date"),
        (lambda f: f.cast({"date": pl.Datetime("us")}), "forecasts' date is Datetime"),
        (lambda f: f.with_columns(date=pl.lit(None, pl.Date)), "360 rows of the forecasts have no date"),
        (lambda f: f.with_columns(code=pl.lit(None, pl.String)), "360 rows of the forecasts have no code"),
        (lambda f: f.cast({"horizon": pl.String}), "column .horizon. is String, not an integer"),
        (lambda f: f.with_columns(horizon=pl.lit(None, pl.Int16)), "360 forecasts have no horizon"),
        (lambda f: f.cast({"forecast": pl.String}), "column .forecast. is String, not a number"),
        (lambda f: f.with_columns(q10=pl.lit("low")), "column .q10. is String, not a number"),
        (
            lambda f: f.with_columns(forecast=pl.lit(float("nan"))),
            "Nothing can be scored over 1 days: 360 forecasts that are not finite",
        ),
        (
            lambda f: f.with_columns(date=pl.lit(date(1999, 1, 1))),
            "Nothing can be scored over 1 days: 360 forecasts whose date",
        ),
    ],
)
def test_empty_forecasts_are_refused(change, message: str) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    with pytest.raises(InputError, match=message):
        evaluate(change(forecast(realise(days=30, stocks=12), pl.col("target_1d"))), realise(days=30, stocks=12))


@pytest.mark.parametrize("kind", [pl.Datetime("us"), pl.Datetime("ms"), pl.String])
def test_returns_without_dates_are_refused(kind: pl.DataType) -> None:
    with pytest.raises(InputError, match="realised returns' date is"):
        evaluate(
            forecast(realise(days=30, stocks=12), pl.col("target_1d")), realise(days=30, stocks=12).cast({"date": kind})
        )


def test_no_returns_are_refused() -> None:
    with pytest.raises(InputError, match="There are no realised returns"):
        evaluate(forecast(realise(days=30, stocks=12), pl.col("target_1d")), realise(days=30, stocks=12).clear())


@pytest.mark.parametrize("stocks", [1, 2])
def test_days_of_one_or_two_stocks_are_counted_and_have_no_value(stocks: int) -> None:
    scored = evaluate(
        forecast(realise(days=30, stocks=stocks), pl.col("target_1d")), realise(days=30, stocks=stocks)
    ).horizons[1]

    assert (scored.ic.mean, scored.ic.days, scored.ic.undefined) == (None, 0, 30)
    assert scored.deciles == (None,) * 10
    assert scored.long_only is not None
    assert scored.long_only.gross_sharpe is None


def test_days_without_any_return_are_not_scored() -> None:
    late = pl.col("date") >= FIRST + timedelta(days=20)
    masked = realise(days=30, stocks=12).with_columns(target_1d=pl.when(~late).then("target_1d"))
    scored = evaluate(forecast(realise(days=30, stocks=12), pl.col("target_1d")), masked).horizons[1]

    assert (scored.ic.days, scored.ic.undefined, scored.excluded.unrealised) == (20, 0, 120)


def test_tied_forecasts_share_their_ranks() -> None:
    realised = pl.DataFrame({"date": [FIRST] * 4, "code": list("abcd"), "target_1d": [0.01, 0.02, 0.03, 0.04]})
    scored = evaluate(
        forecast(realised, pl.Series([1.0, 1.0, 2.0, 2.0])),
        realised,
        IN_RETURNS,
    )

    first = scored.horizons[1]
    assert first.rank_ic.mean == pytest.approx(2 / 5**0.5)  # of ranks 1.5 1.5 3.5 3.5 and 1 2 3 4: 4 / sqrt(4 x 5)
    assert first.ic.mean == pytest.approx(2 / 5**0.5)
    assert first.hit_rate.mean == 1


@pytest.mark.parametrize("stocks", [9, 15, 20])
def test_a_day_on_which_all_stocks_would_be_held_holds_none(stocks: int) -> None:
    book = (
        evaluate(forecast(realise(days=30, stocks=stocks), pl.col("target_1d")), realise(days=30, stocks=stocks))
        .horizons[1]
        .long_only
    )

    assert book is not None
    assert (book.gross_sharpe, book.gross_mean, book.turnover) == (None, 0, 0)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_perfect_forecast_of_a_week_earns_and_a_reversed_one_loses(sign: int) -> None:
    realised = realise(days=120, stocks=40).sort("code", "date")
    week = (pl.col("target_1d") + 1).log().rolling_sum(5).shift(-4).over("code").exp() - 1
    realised = realised.with_columns(target_5d=week)
    table = realised.select("date", "code", horizon=pl.lit(5), forecast=sign * pl.col("target_5d")).drop_nulls()
    scored = evaluate(table, realised).horizons[5]

    assert scored.ic.mean == pytest.approx(sign, abs=1e-9)
    for book in (scored.long_short, scored.long_only):
        assert book is not None
        assert sign * (book.gross_sharpe or 0) > 10


def test_omitted_forecasts_are_counted() -> None:
    realised = realise(days=10, stocks=12).with_columns(
        target_1d=pl.when(pl.col("date") < FIRST + timedelta(days=9)).then("target_1d")
    )
    forecasts = realised.select("date", "code", horizon=1, forecast=pl.int_range(pl.len()).cast(pl.Float64))
    forecasts = pl.concat(
        [
            forecasts.with_columns(
                forecast=pl.when(pl.int_range(pl.len()) == 0).then(float("nan")).otherwise("forecast")
            ),
            pl.DataFrame({"date": [FIRST - timedelta(days=7)], "code": ["S00"], "horizon": [1], "forecast": [1.0]}),
            pl.DataFrame({"date": [FIRST], "code": ["NEW"], "horizon": [1], "forecast": [1.0]}),
        ],
        how="vertical_relaxed",
    )
    scored = score(forecasts, realised)

    assert scored.excluded.model_dump() == {"unknown": 2, "not_finite": 1, "unrealised": 12}
    assert scored.forecasts == 9 * 12 - 1
    assert scored.ic.days == 9


def test_a_repeated_date_and_code_is_refused() -> None:
    realised = realise(days=5)
    forecasts = forecast(realised, pl.col("target_1d"))

    with pytest.raises(
        InputError,
        match=r"1 rows of the .* repeat the date and code of another row, for example 2024-01-01 S00\.",
    ):
        evaluate(pl.concat([forecasts, forecasts.head(1)]), realised)
    with pytest.raises(InputError, match="repeat"):
        evaluate(forecasts, pl.concat([realised, realised.head(1)]))


@pytest.mark.parametrize(
    ("forecasts", "message"),
    [
        (
            pl.DataFrame({"date": [FIRST], "code": ["S00"], "forecast": [1.0]}),
            r"forecasts lack the columns \['horizon'\]",
        ),
        (forecast(realise(days=3), pl.lit(1.0), 20), "have no column 'target_20d'"),
        (forecast(realise(days=3), pl.lit(1.0)).clear(), "There are no forecasts"),
    ],
)
def test_other_tables_are_refused(forecasts: pl.DataFrame, message: str) -> None:
    with pytest.raises(InputError, match=message):
        evaluate(forecasts, realise(days=3))
