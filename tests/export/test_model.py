"""A live forecast is what the whole pipeline says of that day, made of the newest observations alone."""

from dataclasses import replace
from datetime import date
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from atft_kedro.export.inference_inputs import InferenceWindow, prepare_inputs
from atft_kedro.export.model import Model, load_model, measure_deviations
from atft_kedro.panel.universe import select_universe
from atft_kedro.params import InputError
from atft_kedro.schema import target_columns
from factories.exports import SELDOM, UNIVERSE, Trained

KEYS = ["date", "code", "horizon"]
QUANTILES = ["q10", "q25", "q50", "q75", "q90"]


@pytest.fixture(scope="module")
def model(model_folder: Path) -> Model:
    return load_model(model_folder)


def without_graph(model: Model) -> Model:
    """The same networks with the graph switched off."""
    return replace(model, members=tuple(replace(each, modules=frozenset({"fan"})) for each in model.members))


def until(dataset: pl.DataFrame, day: date) -> pl.DataFrame:
    """What is known at a day's close: no targets that reach beyond it, and none at all."""
    return dataset.filter(pl.col("date") <= day).drop(target_columns(dataset.schema))


def test_a_live_forecast_is_that_of_the_whole_pipeline(trained: Trained, model: Model, refresh_day: date) -> None:
    wanted = trained.forecasts.filter(date=refresh_day).sort(KEYS)

    forecasts = model.forecast(until(trained.dataset, refresh_day)).sort(KEYS)

    assert forecasts.select(KEYS).equals(wanted.select(KEYS))
    assert set(SELDOM) <= set(forecasts["code"])
    assert forecasts["forecast"].to_numpy() == pytest.approx(wanted["forecast"].to_numpy(), abs=1e-5)
    corrected = model.card.corrections.horizons
    for horizon, rows in wanted.partition_by("horizon", as_dict=True).items():
        shift = next(each.shifts[0] for each in corrected if each.horizon == horizon[0])
        mine = forecasts.filter(pl.col("horizon") == horizon[0])
        assert mine["q10"].to_numpy() == pytest.approx(np.minimum(rows["q10"] + shift, mine["q25"]), abs=1e-5)


def test_only_the_days_that_forecasts_look_at_are_scaled(trained: Trained, model: Model, refresh_day: date) -> None:
    known = until(trained.dataset, refresh_day)
    looked_at = set(known["date"].unique().sort()[-12:])
    looked_at |= {day for code in SELDOM for day in known.filter(code=code)["date"].sort()[-12:]}

    newest = prepare_inputs(known.lazy(), model.card.inputs, InferenceWindow(12, (1, 5), True, 1))

    assert list(newest.reader.panel.metadata.days) == sorted(looked_at)
    assert newest.reader.panel.metadata.horizons == (1, 5)


def test_features_that_are_not_looked_at_change_nothing(trained: Trained, model: Model, refresh_day: date) -> None:
    known = until(trained.dataset, refresh_day)
    newest = prepare_inputs(known.lazy(), model.card.inputs, InferenceWindow(12, (1, 5), True, 1))
    old = ~pl.col("date").is_in(list(newest.reader.panel.metadata.days))
    features = model.card.inputs.scaler.names()
    shocked = known.with_columns(pl.when(old).then(1e3).otherwise(pl.col(features)).name.keep())

    assert not shocked.equals(known)
    assert_frame_equal(model.forecast(shocked), model.forecast(known), check_exact=True)


def test_several_days_are_each_forecast_as_if_they_were_the_last(trained: Trained, model: Model) -> None:
    known = until(trained.dataset, trained.dataset["date"].max())
    last, *_, first = reversed(known["date"].unique().sort()[-3:].to_list())

    forecasts = model.forecast(known, days=3)

    assert forecasts["date"].unique().sort().to_list() == known["date"].unique().sort()[-3:].to_list()
    for day in (first, last):
        alone = model.forecast(until(trained.dataset, day))
        assert_frame_equal(forecasts.filter(date=day), alone, abs_tol=1e-5)


def test_the_order_of_the_rows_does_not_matter(trained: Trained, model: Model) -> None:
    known = trained.dataset

    shuffled = model.forecast(known.sample(fraction=1, shuffle=True, seed=4))

    assert_frame_equal(shuffled, model.forecast(known), abs_tol=1e-5)


def test_forecasts_are_ranked_the_best_first_and_quantiles_are_in_order(trained: Trained, model: Model) -> None:
    forecasts = model.forecast(trained.dataset)

    assert forecasts.columns == ["date", "code", "horizon", "rank", "forecast", *QUANTILES, "deviation"]
    assert forecasts["q50"].equals(forecasts["forecast"].alias("q50"))
    assert all((forecasts[one] <= forecasts[other]).all() for one, other in pairwise(QUANTILES))
    for _, rows in forecasts.partition_by("horizon", as_dict=True).items():
        assert rows["rank"].to_list() == list(range(1, len(rows) + 1))
        assert rows["forecast"].is_sorted(descending=True)


def test_equal_forecasts_share_their_rank(trained: Trained, model: Model) -> None:
    twins = trained.dataset.with_columns(pl.col(model.card.inputs.scaler.names()).first().over("date"))

    forecasts = without_graph(model).forecast(twins.filter(pl.col("date") > twins["date"].unique().sort()[-40]))

    regular = forecasts.filter(~pl.col("code").is_in(SELDOM))
    assert regular["rank"].unique().len() < len(regular) / 10


def test_a_model_without_graph_attention_needs_no_graph(trained: Trained, model: Model) -> None:
    short = trained.dataset.filter(pl.col("date") > trained.dataset["date"].unique().sort()[-25])

    assert len(without_graph(model).forecast(short))
    with pytest.raises(InputError, match="No graph has an edge"):
        model.forecast(short)


def test_the_deviation_is_that_of_the_last_known_days(trained: Trained, model: Model) -> None:
    universe = select_universe(trained.dataset.lazy(), UNIVERSE)
    known = trained.dataset.filter(universe["eligible"]).drop_nulls("target_5d")
    days = known["date"].unique().sort()[-60:]
    place = pl.col("date").rank("dense").cast(pl.Int64)
    ends = (
        trained.dataset.with_columns(place.alias("place"))
        .sort("date")
        .select("date", "code", days=pl.col("place").shift(-5).over("code") - pl.col("place"))
    )
    inside = known.join(ends.filter(days=5), on=["date", "code"], how="semi")
    daily = [float(np.std(inside.filter(date=day)["target_5d"].to_numpy())) for day in days]

    table = measure_deviations(trained.dataset.lazy(), universe, (1, 5), entry_lag=0, days=1)
    measured = dict(table.select("horizon", "deviation").iter_rows())

    assert measured[5] == pytest.approx(np.mean(daily), rel=1e-5)
    assert model.forecast(trained.dataset).filter(horizon=5)["deviation"][0] == pytest.approx(measured[5])
    assert model.forecast(trained.dataset.drop("target_5d")).filter(horizon=5)["deviation"].null_count() > 0


def test_a_past_days_deviation_knows_no_later_return(trained: Trained) -> None:
    days = trained.dataset["date"].unique().sort()
    universe = select_universe(trained.dataset.lazy(), UNIVERSE)
    past = days[-15]
    unknown_then = pl.col("date") > days[-15 - 5]
    shocked = trained.dataset.with_columns(pl.when(unknown_then).then(pl.col("target_5d") * 9).otherwise("target_5d"))
    cut = trained.dataset.filter(pl.col("date") <= past)

    before, after, alone = (
        measure_deviations(frame.lazy(), each, (5,), entry_lag=0, days=count)
        for frame, each, count in (
            (trained.dataset, universe, 15),
            (shocked, universe, 15),
            (cut, universe.filter(pl.col("date") <= past), 1),
        )
    )

    same = [table.filter(date=past)["deviation"].item() for table in (before, after, alone)]
    assert same[0] == same[1] == same[2]
    assert after["deviation"][-1] > 1.5 * before["deviation"][-1]
    assert before["deviation"].n_unique() == 15


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
