"""Forecasts from prices are those of the pipeline; stocks that cannot be forecast are listed with the reason."""

import shutil
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from atft_kedro.export import price_forecasts
from atft_kedro.export.inference_inputs import exclude_stocks_with_unknown_features
from atft_kedro.export.model import Model, prepare_registration
from atft_kedro.export.model_card import CARD_FILE, PriceInputs, find_price_columns
from atft_kedro.features.build import FeatureParams
from atft_kedro.market.cleaning import CleaningParams, clean_price_table
from atft_kedro.market.simulation import SimulatedMarket
from atft_kedro.params import InputError
from factories.datasets import make_ml_dataset
from factories.exports import SELDOM, Trained
from factories.params import make_params

NEWEST = pl.col("date") == pl.col("date").max()


@pytest.fixture(scope="module")
def prices(market: SimulatedMarket) -> pl.DataFrame:
    """Unclean prices of the market, in which one stock trades every fourth day."""
    return market.prices.filter((pl.col("code") != SELDOM[0]) | (pl.col("date").rank("dense") % 4 == 0))


@pytest.fixture(scope="module")
def from_prices(trained: Trained, model: Model, ml_dataset: pl.DataFrame) -> Model:
    """The exported model as if its training had computed its features from prices."""
    codes = ml_dataset["code"].unique().sort().to_list()
    inputs = PriceInputs(
        columns=find_price_columns(ml_dataset.lazy()),
        features=make_params(FeatureParams),
        cleaning=make_params(CleaningParams),
        max_unknown_features=0.5,
        usual_stocks=ml_dataset.filter(NEWEST).height,
    )
    universe = trained.inputs.universe.model_copy(update={"max_stocks_per_day": None})
    changed = trained.inputs.model_copy(update={"prices": inputs, "codes": tuple(codes), "universe": universe})
    return replace(model, card=model.card.model_copy(update={"inputs": changed}))


def forecast_stepwise(model: Model, prices: pl.DataFrame, days: int = 1) -> pl.DataFrame:
    """Clean the prices, build the dataset and forecast it, each step as in the pipelines."""
    clean, _ = clean_price_table(prices.lazy(), make_params(CleaningParams), prices["date"].max())
    inputs = model.prepare(make_ml_dataset(clean, make_params(FeatureParams)), days)
    known = exclude_stocks_with_unknown_features(inputs, model.card.inputs.scaler, 0.5, 0.2)
    return model.forecast_inputs(known)


def remove_newest(prices: pl.DataFrame, count: int) -> pl.DataFrame:
    """Remove the newest rows of some stocks."""
    codes = prices.filter(NEWEST)["code"].sort().head(count).to_list()
    return prices.filter(~NEWEST | ~pl.col("code").is_in(codes))


def test_prices_give_the_forecasts_of_the_pipeline(from_prices: Model, prices: pl.DataFrame) -> None:
    for days in (1, 3):
        result = from_prices.forecast_prices(prices, days)

        assert_frame_equal(result.forecasts, forecast_stepwise(from_prices, prices, days), check_exact=True)
        assert result.forecasts["date"].n_unique() == days
        assert not result.is_incomplete
    assert set(result.left_out["code"]) == set(prices["code"]) - set(prices.filter(NEWEST)["code"])


def test_dirty_prices_are_cleaned_as_in_the_training(from_prices: Model, prices: pl.DataFrame) -> None:
    is_bad = (pl.col("code") == "S0003") & (pl.col("date").rank("dense").over("code").is_in([200, 318]))
    broken = prices.with_columns(pl.when(~is_bad).then("close").otherwise(0.0).alias("close"))
    dirty = pl.concat([broken, broken.head(50)]).sample(fraction=1, shuffle=True, seed=2)

    cleaned = from_prices.forecast_prices(dirty).forecasts

    assert_frame_equal(cleaned, from_prices.forecast_prices(prices.filter(~is_bad)).forecasts, check_exact=True)
    assert not cleaned.equals(from_prices.forecast_prices(prices).forecasts)


def test_a_day_before_its_close_is_left_out(
    from_prices: Model, prices: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in the pipeline, which forecasts from the last finished day of the exchange."""
    days = prices["date"].unique().sort()
    monkeypatch.setattr(price_forecasts, "last_finished_day", lambda calendar, time_zone: days[-2])

    forecasts = from_prices.forecast_prices(prices).forecasts

    yesterday = prices.filter(pl.col("date") < days[-1])
    assert_frame_equal(forecasts, forecast_stepwise(from_prices, yesterday), check_exact=True)


def test_the_spelling_of_names_dates_and_codes_does_not_matter(from_prices: Model, prices: pl.DataFrame) -> None:
    numbers = prices.with_columns(code=7000 + pl.col("code").str.slice(1).cast(pl.Int64))
    spelled = numbers.with_columns(pl.col("date").cast(pl.String)).rename(str.upper)

    forecasts = from_prices.forecast_prices(spelled).forecasts

    expected = from_prices.forecast_prices(numbers.with_columns(pl.col("code").cast(pl.String))).forecasts
    assert_frame_equal(forecasts, expected, check_exact=True)


def test_stocks_that_cannot_be_forecast_are_listed_with_the_reason(from_prices: Model, prices: pl.DataFrame) -> None:
    listed = prices.filter(pl.col("code").is_in(prices.filter(NEWEST)["code"].to_list()))
    old = listed.filter(~NEWEST | (pl.col("code") != "S0002"))
    day, before = old["date"].max(), old["date"].unique().sort()[-2]
    template = old.filter(code="S0001")
    unknown = [pl.lit(None, pl.Float64).alias(name) for name in ("open", "high", "low", "volume")]
    added = [
        template.filter(date=day).with_columns(code=pl.lit("ONE_ROW")),
        template.tail(2).with_columns(code=pl.lit("YESTERDAY")),
        template.with_columns(close=pl.lit(None, pl.Float64), code=pl.lit("NO_CLOSE")),
        template.tail(30).with_columns(*unknown, code=pl.lit("NO_QUOTES")),
    ]
    limited = from_prices.card.inputs.universe.model_copy(
        update={"min_price": old.filter(NEWEST)["close"].min() + 0.01}
    )
    inputs = from_prices.card.inputs.model_copy(update={"universe": limited})
    strict = replace(from_prices, card=from_prices.card.model_copy(update={"inputs": inputs}))

    result = strict.forecast_prices(pl.concat([old, *added]))

    reasons = dict(result.left_out.select("code", "reason").iter_rows())
    cheapest = old.filter(NEWEST).sort("close")["code"][0]
    assert reasons == {
        "ONE_ROW": "it has 1 day(s) of prices, 20 are needed",
        "YESTERDAY": "it has 2 day(s) of prices, 20 are needed",
        "NO_CLOSE": "it has no close above 0",
        "NO_QUOTES": "too many of its features are unknown",
        "S0002": f"it has no price on {day}, the newest is of {before}",
        cheapest: "its price, its traded value or its rank by traded value is too low",
    }
    assert set(result.forecasts["code"]) == {*old["code"], *reasons} - {*reasons}
    table = result.to_table()
    assert table.filter(code="ONE_ROW").select("date", "horizon", "forecast").rows() == [(day, None, None)]
    assert table["reason"].null_count() == len(result.forecasts)


def test_a_request_with_few_of_the_usual_stocks_is_incomplete(from_prices: Model, prices: pl.DataFrame) -> None:
    assert prices.filter(NEWEST)["code"].n_unique() == 24

    marks = [from_prices.forecast_prices(remove_newest(prices, missing)).is_incomplete for missing in (4, 5)]

    assert marks == [False, True]


def test_a_history_of_the_needed_days_is_enough(from_prices: Model, market: SimulatedMarket) -> None:
    days = market.prices["date"].unique().sort()

    def forecast_last(count: int) -> pl.DataFrame:
        return from_prices.forecast_prices(market.prices.filter(pl.col("date") >= days[-count])).forecasts

    whole = forecast_last(len(days))
    assert from_prices.needed_days == 12 + 250 + 5  # lookback, longest feature, spare days
    assert_frame_equal(forecast_last(from_prices.needed_days), whole, abs_tol=1e-5)
    assert (forecast_last(100)["forecast"] - whole["forecast"]).abs().max() > 1e-3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda prices: prices.drop("volume", "sector"), r"lack the columns \['sector', 'volume'\]; the model needs"),
        (lambda prices: prices.with_columns(close=pl.lit("n/a")), "column 'close' is String: convert it to numbers"),
        (lambda prices: prices.clear(), "The price table has no rows"),
        (lambda prices: prices.with_columns(close=-pl.col("close")), "would be excluded, more than"),
        (lambda prices: prices.filter(code="S0001"), "hold 1 stocks and at least 2 are needed"),
        (lambda prices: prices.group_by("code").tail(5), "No stock of any day meets"),
    ],
)
def test_prices_that_do_not_fit_are_refused(
    from_prices: Model, prices: pl.DataFrame, change: object, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        from_prices.forecast_prices(change(prices))


def test_a_model_of_unknown_features_takes_no_prices(model: Model, prices: pl.DataFrame) -> None:
    with pytest.raises(InputError, match="forecasts from observations, not from prices"):
        model.forecast_prices(prices)


def test_a_registration_has_the_schemas_of_prices(
    from_prices: Model, prices: pl.DataFrame, ml_dataset: pl.DataFrame, model_folder: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(model_folder, tmp_path / model_folder.name))
    (folder / CARD_FILE).write_text(from_prices.card.model_dump_json())

    registration = prepare_registration(folder, ml_dataset.lazy())

    assert tuple(registration.example.columns) == from_prices.card.inputs.require_prices().columns
    assert list(registration.optional) == ["vwap"]
    assert registration.output == from_prices.forecast_prices(prices).to_table().schema
