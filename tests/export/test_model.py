"""A model forecasts the newest observations as the whole pipeline does; a damaged model is refused."""

import json
import shutil
from collections.abc import Callable
from datetime import date
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from atft_kedro.export.model import Model, load_model, measure_deviations, prepare_registration
from atft_kedro.export.model_card import CARD_FILE, WEIGHTS_FILE
from atft_kedro.panel.universe import select_universe
from atft_kedro.params import InputError
from atft_kedro.training.forecasting import forecast_ensemble
from factories.exports import SELDOM, UNIVERSE, Trained, cut_after, without_graph

KEYS = ["date", "code", "horizon"]
QUANTILES = ["q10", "q25", "q50", "q75", "q90"]


def test_a_live_forecast_is_that_of_the_whole_pipeline(trained: Trained, model: Model, refresh_day: date) -> None:
    wanted = trained.forecasts.filter(date=refresh_day).sort(KEYS)

    forecasts = model.forecast(cut_after(trained.dataset, refresh_day)).sort(KEYS)

    assert forecasts.select(KEYS).equals(wanted.select(KEYS))
    assert set(SELDOM) <= set(forecasts["code"])
    assert forecasts["forecast"].to_numpy() == pytest.approx(wanted["forecast"].to_numpy(), abs=1e-5)
    corrected = model.card.corrections.horizons
    for horizon, rows in wanted.partition_by("horizon", as_dict=True).items():
        shift = next(correction.shifts[0] for correction in corrected if correction.horizon == horizon[0])
        live = forecasts.filter(pl.col("horizon") == horizon[0])
        assert live["q10"].to_numpy() == pytest.approx(np.minimum(rows["q10"] + shift, live["q25"]), abs=1e-5)


def test_several_days_are_forecast_as_if_every_day_were_the_last(trained: Trained, model: Model) -> None:
    known = cut_after(trained.dataset, trained.dataset["date"].max())
    last, *_, first = reversed(known["date"].unique().sort()[-3:].to_list())

    forecasts = model.forecast(known, days=3)

    assert forecasts["date"].unique().sort().to_list() == known["date"].unique().sort()[-3:].to_list()
    for day in (first, last):
        alone = model.forecast(cut_after(trained.dataset, day))
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
    day_number = pl.col("date").rank("dense").cast(pl.Int64)
    ends = (
        trained.dataset.with_columns(day_number.alias("place"))
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


def test_the_deviation_of_a_past_day_uses_no_later_return(trained: Trained) -> None:
    days = trained.dataset["date"].unique().sort()
    universe = select_universe(trained.dataset.lazy(), UNIVERSE)
    past = days[-15]
    unknown_then = pl.col("date") > days[-15 - 5]
    shocked = trained.dataset.with_columns(pl.when(unknown_then).then(pl.col("target_5d") * 9).otherwise("target_5d"))
    cut = trained.dataset.filter(pl.col("date") <= past)

    before, after, alone = (
        measure_deviations(frame.lazy(), stocks, (5,), entry_lag=0, days=count)
        for frame, stocks, count in (
            (trained.dataset, universe, 15),
            (shocked, universe, 15),
            (cut, universe.filter(pl.col("date") <= past), 1),
        )
    )

    same = [table.filter(date=past)["deviation"].item() for table in (before, after, alone)]
    assert same[0] == same[1] == same[2]
    assert after["deviation"][-1] > 1.5 * before["deviation"][-1]
    assert before["deviation"].n_unique() == 15


def test_a_loaded_model_forecasts_bit_equal_to_the_checkpoints(trained: Trained, model_folder: Path) -> None:
    loaded = load_model(model_folder).members

    assert [member.modules for member in loaded] == [frozenset({"fan", "gat"})] * 2
    expected, exported = (
        forecast_ensemble(members, trained.training_data, "test") for members in (trained.members, loaded)
    )
    assert exported.quantiles.isfinite().any()
    assert exported.quantiles.nan_to_num(-7).equal(expected.quantiles.nan_to_num(-7))


def lose_weights(folder: Path) -> None:
    (folder / WEIGHTS_FILE).unlink()


def cut_weights(folder: Path) -> None:
    (folder / WEIGHTS_FILE).write_bytes((folder / WEIGHTS_FILE).read_bytes()[:-4])


def enlarge_network(folder: Path) -> None:
    card = json.loads((folder / CARD_FILE).read_text())
    card["network"]["selection_size"] = 16
    (folder / CARD_FILE).write_text(json.dumps(card))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lose_weights, "has no weights.safetensors"),
        (cut_weights, "was changed or is truncated: its hash is not the one in model.json"),
        (enlarge_network, "(?s)do not match the network of model.json: .*variable_selection.from_features.weight"),
    ],
)
def test_a_damaged_folder_is_refused(
    damage: Callable[[Path], None], message: str, model_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / model_folder.name
    shutil.copytree(model_folder, folder)
    damage(folder)

    with pytest.raises(InputError, match=message):
        load_model(folder)


def test_a_registration_has_the_schemas_of_the_model_and_rows_of_the_newest_day(
    trained: Trained, model: Model, model_folder: Path
) -> None:
    registration = prepare_registration(model_folder, trained.dataset.lazy())

    assert (registration.folder, registration.run) == (model_folder, trained.run.name)
    assert tuple(registration.example.columns) == model.card.inputs.columns
    assert registration.example["date"].to_list() == [trained.dataset["date"].max()] * 3
    assert list(registration.optional) == ["target_1d", "target_5d", "target_10d", "target_20d"]
    assert registration.output == model.forecast(trained.dataset).schema
