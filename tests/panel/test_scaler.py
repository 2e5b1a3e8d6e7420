"""The scaler: NumPy's numbers, the train days only, and readable for ever."""

from datetime import date
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from scipy import stats

from atft_kedro.panel.index import PanelIndex, index_observations
from atft_kedro.panel.scaler import FeatureCatalogue, Scaler, ScalerParams, fit_scaler
from atft_kedro.panel.split import Split, SplitParams, split_days
from atft_kedro.panel.universe import UniverseParams, select_universe
from atft_kedro.params import InputError
from atft_kedro.schema import feature_columns
from factories.params import make_params


def catalogue_of(frame: pl.DataFrame) -> FeatureCatalogue:
    return FeatureCatalogue("abc", dict.fromkeys(feature_columns(frame.schema), "own"))


def split_of(frame: pl.DataFrame) -> tuple[PanelIndex, Split]:
    index = index_observations(select_universe(frame.lazy(), make_params(UniverseParams)))
    return index, split_days(index.days, make_params(SplitParams, train=0.4, validation=0.25, embargo_days=5), 20)


def fit(frame: pl.DataFrame, **params: Any) -> Scaler:
    index, split = split_of(frame)
    return fit_scaler(frame.lazy(), index, split, catalogue_of(frame), make_params(ScalerParams, **params))


def train_values(frame: pl.DataFrame, name: str) -> np.ndarray:
    """Select the known values of eligible train rows with joins and filters."""
    _, split = split_of(frame)
    (train,) = split.ranges_of("train")
    universe = select_universe(frame.lazy(), make_params(UniverseParams)).filter("eligible")
    rows = frame.join(universe, on=["date", "code"]).filter(pl.col("date").is_between(train.first, train.last))
    return rows[name].drop_nulls().drop_nans().to_numpy().astype(np.float64)


def test_robust_is_median_and_iqr_of_the_train_rows(ml_dataset: pl.DataFrame) -> None:
    scaler = fit(ml_dataset)

    for feature in scaler.features:
        values = train_values(ml_dataset, feature.name)
        if feature.method == "robust" and len(values):
            assert feature.center == pytest.approx(np.median(values), rel=1e-5, abs=1e-7)
            assert feature.scale == pytest.approx(stats.iqr(values, scale="normal"), rel=1e-4)
    assert {feature.method for feature in scaler.features} <= {"robust", "standard", "absent"}
    assert len(scaler.features) == len(feature_columns(ml_dataset.schema))


def test_standard_is_mean_and_deviation(ml_dataset: pl.DataFrame) -> None:
    scaler = fit(ml_dataset, default="standard")

    for feature in scaler.features:
        values = train_values(ml_dataset, feature.name)
        if not len(values):
            continue
        assert feature.center == pytest.approx(values.mean(), rel=1e-4, abs=1e-6)
        assert feature.scale == pytest.approx(values.std(), rel=1e-4)


def test_a_feature_that_is_mostly_one_value_falls_back_to_its_deviation(ml_dataset: pl.DataFrame) -> None:
    rare = pl.when(pl.int_range(pl.len()) % 10 == 0).then(3.0).otherwise(0.0).cast(pl.Float32)

    (feature,) = [f for f in fit(ml_dataset.with_columns(rare.alias("rare"))).features if f.name == "rare"]

    assert feature.method == "standard"
    assert feature.scale == pytest.approx(0.9, rel=0.05)


def test_the_scaler_never_sees_a_day_after_the_train_days(ml_dataset: pl.DataFrame) -> None:
    _, split = split_of(ml_dataset)
    future = pl.col("date") > split.ranges_of("train")[-1].last
    features = feature_columns(ml_dataset.schema)
    shocked = ml_dataset.with_columns(pl.when(future).then(1e9).otherwise(pl.col(f)).alias(f) for f in features)

    assert fit(shocked) == fit(ml_dataset)


def test_the_order_of_rows_changes_nothing(ml_dataset: pl.DataFrame) -> None:
    shuffled = ml_dataset.sample(fraction=1, shuffle=True, seed=5)

    assert fit(shuffled, default="robust") == fit(ml_dataset, default="robust")


def test_features_are_scaled_with_the_stored_center_and_scale(ml_dataset: pl.DataFrame) -> None:
    scaler = fit(ml_dataset, clip=3)
    read_back = Scaler.model_validate_json(scaler.model_dump_json())

    scaled = read_back.scale(ml_dataset)

    assert read_back == scaler
    for feature in scaler.features:
        if feature.method == "absent":
            continue
        raw = ml_dataset[feature.name].cast(pl.Float64)
        expected = ((raw - feature.center) / feature.scale).clip(-3, 3).cast(pl.Float32)
        assert_frame_equal(scaled.select(feature.name), expected.to_frame(), abs_tol=1e-4)
        assert scaled[feature.name].null_count() == raw.null_count()


def test_methods_are_chosen_by_family_and_compare_the_days_stocks(ml_dataset: pl.DataFrame) -> None:
    frame = ml_dataset.with_columns(pl.col("ret_1").round(2).fill_null(float("nan")))  # with ties
    index, split = split_of(frame)
    catalogue = FeatureCatalogue("abc", {"ret_1": "a", "range": "b", "ret_5": "c"})
    params = make_params(ScalerParams, families={"a": "rank", "b": "zscore", "c": "none"})
    scaler = fit_scaler(frame.lazy(), index, split, catalogue, params)

    scaled = pl.concat([frame.select("date"), scaler.scale(frame)], how="horizontal")

    day = frame["date"].unique().sort()[100]
    raw, scaled_day = frame.filter(pl.col("date") == day), scaled.filter(pl.col("date") == day)
    known = raw["ret_1"].is_not_nan().to_numpy()
    ranks = (stats.rankdata(raw["ret_1"].to_numpy()[known]) - 0.5) / known.sum() - 0.5
    assert np.allclose(scaled_day["ret_1"].to_numpy()[known], ranks * 12**0.5, atol=1e-6)
    assert np.isnan(scaled_day["ret_1"].to_numpy()[~known]).all()
    assert np.allclose(scaled_day["range"].to_numpy(), stats.zscore(raw["range"].to_numpy(), ddof=1), atol=1e-5)
    assert scaled_day["ret_5"].equals(raw["ret_5"])


def test_a_constant_feature_is_refused_by_name(ml_dataset: pl.DataFrame) -> None:
    _, split = split_of(ml_dataset)
    last = split.ranges_of("train")[-1].last
    late = pl.when(pl.col("date") > last).then(pl.col("ret_1")).otherwise(0.25).cast(pl.Float32)
    frame = ml_dataset.with_columns(late.alias("late"))

    with pytest.raises(InputError, match="1 features cannot be scaled: late has one value on all train days"):
        fit(frame)
    assert fit(frame, default="none").features[-1].method == "none"


def test_a_feature_unknown_on_all_train_days_stays_missing_later(
    ml_dataset: pl.DataFrame, caplog: pytest.LogCaptureFixture
) -> None:
    _, split = split_of(ml_dataset)
    late = pl.when(pl.col("date") > split.ranges_of("train")[-1].last).then(pl.col("ret_1")).alias("late")
    frame = ml_dataset.with_columns(late)

    scaler = fit(frame)

    assert (scaler.features[-1].method, scaler.features[-1].missing) == ("absent", 1)
    assert "feature late is unknown on all train days" in caplog.text
    assert frame["late"].count() > 0
    assert scaler.scale(frame)["late"].null_count() == frame.height


@pytest.mark.parametrize(
    ("made", "method", "message"),
    [
        (pl.col("ret_1") * 1e-9, "none", "does not fit 16 bits unscaled"),
        (pl.col("ret_1") * 1e9, "none", "does not fit 16 bits unscaled"),
        (pl.col("ret_1").mean().over("date"), "rank", "is the same for all stocks"),
        (pl.col("ret_1").mean().over("date"), "zscore", "is the same for all stocks"),
        (pl.when(pl.col("ret_1") > 0).then(1e38).otherwise(-1e38), "none", "does not fit"),
    ],
)
def test_a_method_that_would_destroy_a_feature_is_refused(
    ml_dataset: pl.DataFrame, made: pl.Expr, method: str, message: str
) -> None:
    frame = ml_dataset.with_columns(made.cast(pl.Float32).alias("made"))
    index, split = split_of(frame)
    catalogue = FeatureCatalogue("abc", {"ret_5": "good", "made": "bad"})

    with pytest.raises(InputError, match=f"1 features cannot be scaled: made {message}"):
        fit_scaler(frame.lazy(), index, split, catalogue, make_params(ScalerParams, **{"families": {"bad": method}}))


def test_very_large_values_are_scaled_without_overflow(ml_dataset: pl.DataFrame) -> None:
    frame = ml_dataset.with_columns((pl.col("ret_1") * 1e25).alias("large"))

    feature = fit(frame, default="standard").features[-1]

    assert feature.scale == pytest.approx(train_values(frame, "large").std(), rel=1e-3)


def test_unknown_families_and_absent_features_are_named(ml_dataset: pl.DataFrame) -> None:
    with pytest.raises(InputError, match=r"scaler.families names \['volum'\]; the features' families are own"):
        fit(ml_dataset, families={"volum": "rank"})
    with pytest.raises(InputError, match=r"fitted on 1 features that are missing here: \['range'\]"):
        fit(ml_dataset).scale(ml_dataset.drop("range"))


def test_a_universe_without_train_rows_is_refused(ml_dataset: pl.DataFrame) -> None:
    index, split = split_of(ml_dataset)
    index.eligible[:] = False

    with pytest.raises(InputError, match="no stock is in the universe on any train day"):
        fit_scaler(ml_dataset.lazy(), index, split, catalogue_of(ml_dataset), make_params(ScalerParams))


def test_the_scaler_records_its_train_days_and_rows(ml_dataset: pl.DataFrame) -> None:
    scaler = fit(ml_dataset)

    assert (scaler.feature_hash, scaler.first) == ("abc", ml_dataset["date"].min())
    assert scaler.rows == len(train_values(ml_dataset, "close"))
    assert isinstance(scaler.last, date)
