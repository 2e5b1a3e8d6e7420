"""Inputs of live forecasts: the days that are scaled, the keys that are parsed, and what is refused."""

from datetime import date

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from atft_kedro.export.inference_inputs import InferenceWindow, prepare_inputs
from atft_kedro.export.model import Model
from atft_kedro.params import InputError
from factories.exports import SELDOM, Trained, cut_after, without_graph


def test_only_the_days_within_the_lookback_are_scaled(trained: Trained, model: Model, refresh_day: date) -> None:
    known = cut_after(trained.dataset, refresh_day)
    looked_at = set(known["date"].unique().sort()[-12:])
    looked_at |= {day for code in SELDOM for day in known.filter(code=code)["date"].sort()[-12:]}

    newest = prepare_inputs(known.lazy(), model.card.inputs, InferenceWindow(12, (1, 5), True, 1))

    assert list(newest.reader.panel.metadata.days) == sorted(looked_at)
    assert newest.reader.panel.metadata.horizons == (1, 5)


def test_features_before_the_lookback_change_nothing(trained: Trained, model: Model, refresh_day: date) -> None:
    known = cut_after(trained.dataset, refresh_day)
    newest = prepare_inputs(known.lazy(), model.card.inputs, InferenceWindow(12, (1, 5), True, 1))
    old = ~pl.col("date").is_in(list(newest.reader.panel.metadata.days))
    features = model.card.inputs.scaler.names()
    shocked = known.with_columns(pl.when(old).then(1e3).otherwise(pl.col(features)).name.keep())

    assert not shocked.equals(known)
    assert_frame_equal(model.forecast(shocked), model.forecast(known), check_exact=True)


@pytest.mark.parametrize("written", [pl.col("date").cast(pl.String), pl.col("date").cast(pl.Datetime)])
def test_dates_may_be_text_or_timestamps(trained: Trained, model: Model, written: pl.Expr) -> None:
    assert_frame_equal(
        without_graph(model).forecast(trained.dataset.with_columns(written)),
        without_graph(model).forecast(trained.dataset),
    )


@pytest.mark.parametrize("kind", [pl.Int64, pl.Float64])
def test_codes_may_be_whole_numbers(trained: Trained, model: Model, kind: type[pl.DataType]) -> None:
    number = 1000 + pl.col("code").str.slice(1).cast(kind)

    forecasts = without_graph(model).forecast(trained.dataset.with_columns(code=number))

    expected = without_graph(model).forecast(trained.dataset.with_columns(code=number.cast(pl.Int64).cast(pl.String)))
    assert_frame_equal(forecasts, expected)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            pl.lit("31/01/2024").alias("date"),
            r"column 'date' has \d+ value.* not dates, first '31/01/2024'",
        ),
        (pl.lit(3.5).alias("date"), "column 'date' is Float64: convert it to dates"),
        (pl.col("date").alias("code"), "column 'code' is Date: convert it to text or numbers"),
        (
            pl.when(pl.col("code") != "S0001").then("code").alias("code"),
            r"column 'code' is empty in \d+ row\(s\), the first is row \d+ \(20.*keep_default_na=False",
        ),
    ],
)
def test_keys_that_cannot_be_read_are_refused(trained: Trained, model: Model, change: pl.Expr, message: str) -> None:
    with pytest.raises(InputError, match=message):
        model.forecast(trained.dataset.with_columns(change))


def test_observations_that_do_not_fit_are_refused(trained: Trained, model: Model) -> None:
    known = trained.dataset
    name = model.card.inputs.scaler.names()[3]
    days = known["date"].unique().sort()

    with pytest.raises(InputError, match=rf"lack 2 columns that the model needs: \['volume', '{name}'\]"):
        model.forecast(known.drop("volume", name))
    with pytest.raises(InputError, match="No stock of any day meets"):
        model.forecast(known.filter(pl.col("date") > days[-5]))
    with pytest.raises(InputError, match=f"no stock is in the model's universe on {days[-1]}"):
        model.forecast(known.filter((pl.col("date") < days[-1]) | (pl.col("code") == "new")).vstack(_newcomer(known)))
    with pytest.raises(InputError, match="999 days cannot be forecast"):
        model.forecast(known, days=999)


def _newcomer(known: pl.DataFrame) -> pl.DataFrame:
    return known.filter(date=known["date"].max()).head(1).with_columns(code=pl.lit("new"))
