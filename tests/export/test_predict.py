"""Live forecasts are refused for features, days and runs that do not fit."""

from dataclasses import replace
from datetime import date, timedelta

import polars as pl
import pytest

from atft_kedro.export.model import Model
from atft_kedro.export.predict import PredictParams, predict, require_recent
from atft_kedro.guard.keys import RecencyParams
from atft_kedro.panel.scaler import FeatureCatalogue
from atft_kedro.params import InputError
from factories.exports import Trained
from factories.params import make_params

FRIDAY = date(2026, 11, 20)


def test_the_newest_days_are_forecast(trained: Trained, model: Model, catalogue: FeatureCatalogue) -> None:
    forecasts, summary = predict(trained.dataset.lazy(), catalogue, 0, model, make_params(PredictParams, days=2))

    newest, _ = predict(trained.dataset.lazy(), catalogue, 0, model, make_params(PredictParams))
    last = trained.dataset["date"].max()
    assert forecasts["date"].n_unique() == 2
    assert newest["date"].unique().to_list() == [last]
    stocks = forecasts.filter(date=last)["code"].n_unique()
    assert summary == {"run": trained.run.name, "forecasts_from": str(last), "stocks": stocks, "left_out": 0}


def remove_features(dataset: pl.DataFrame, codes: list[str], features: list[str]) -> pl.DataFrame:
    """Make features of some stocks null on the newest day."""
    dead = (pl.col("date") == pl.col("date").max()) & pl.col("code").is_in(codes)
    return dataset.with_columns(pl.when(~dead).then(pl.col(features)).name.keep())


def test_a_stock_with_unknown_features_is_not_forecast(
    trained: Trained, model: Model, catalogue: FeatureCatalogue, caplog: pytest.LogCaptureFixture
) -> None:
    params = make_params(PredictParams)
    whole, _ = predict(trained.dataset.lazy(), catalogue, 0, model, params)
    code, other = whole["code"].unique().sort()[:2].to_list()
    few = list(catalogue.families)[:10]

    unknown = remove_features(remove_features(trained.dataset, [code], list(catalogue.families)), [other], few)
    left, summary = predict(unknown.lazy(), catalogue, 0, model, params)

    assert set(whole["code"]) - set(left["code"]) == {code}
    assert left.filter(horizon=1)["rank"].sort().to_list() == list(range(1, 1 + left["code"].n_unique()))
    assert summary["left_out"] == 1
    assert "are not forecast, because more than 50 % of their features are unknown" in caplog.text
    assert f"known in training): {code}" in caplog.text


def test_a_day_with_unknown_features_is_refused(trained: Trained, model: Model, catalogue: FeatureCatalogue) -> None:
    codes, features = trained.dataset["code"].unique().to_list(), list(catalogue.families)
    unknown = remove_features(trained.dataset, codes, features[: 2 * len(features) // 3])

    with pytest.raises(
        InputError,
        match=r"22 of 22 stocks lack more than 50 % of the features .* training: .* \(\+100 percentage points\), ",
    ):
        predict(unknown.lazy(), catalogue, 0, model, make_params(PredictParams))
    tolerant = make_params(PredictParams, max_unknown_features=0.9)
    assert len(predict(unknown.lazy(), catalogue, 0, model, tolerant)[0])


def test_a_day_with_three_stocks_is_refused(trained: Trained, model: Model, catalogue: FeatureCatalogue) -> None:
    last = trained.dataset["date"].max()
    three = trained.dataset.filter(date=last)["code"][:3].to_list()
    thin = trained.dataset.filter((pl.col("date") < last) | pl.col("code").is_in(three)).lazy()

    with pytest.raises(InputError, match=f"{last} has 3 stocks to forecast; the median of the 20 days before is 2."):
        predict(thin, catalogue, 0, model, make_params(PredictParams))
    assert len(predict(thin, catalogue, 0, model, make_params(PredictParams, min_stocks_share=0))[0])


def test_a_dataset_with_other_features_is_refused(trained: Trained, model: Model, catalogue: FeatureCatalogue) -> None:
    name, *others = catalogue.families
    fewer = FeatureCatalogue("fewer", dict.fromkeys([*others, "extra"], "own"))

    with pytest.raises(
        InputError, match=rf"of fewer: missing in the dataset: \['{name}'\], unknown to the model: \['extra'\]"
    ):
        predict(trained.dataset.lazy(), fewer, 0, model, make_params(PredictParams))
    with pytest.raises(InputError, match="of redefined: the names are the same, but the definitions differ"):
        predict(trained.dataset.lazy(), replace(catalogue, hash="redefined"), 0, model, make_params(PredictParams))
    with pytest.raises(InputError, match="features.entry_lag is 1, but the model was trained with 0"):
        predict(trained.dataset.lazy(), catalogue, 1, model, make_params(PredictParams))


def test_data_older_than_max_age_days_are_refused() -> None:
    rows = pl.LazyFrame({"date": [FRIDAY - timedelta(days=1), FRIDAY]})
    params, live = make_params(PredictParams, max_age_days=2), make_params(RecencyParams)

    ages = [require_recent(rows, FRIDAY + timedelta(days=later), params, live) for later in (0, 2, 3, 4)]
    assert ages == [0, 0, 1, 2]
    with pytest.raises(InputError, match="The newest day, 2026-11-20, is 3 trading days old on 2026-11-25: load newer"):
        require_recent(rows, FRIDAY + timedelta(days=5), params, live)


def test_a_max_age_of_zero_requires_the_newest_trading_day() -> None:
    rows, params = pl.LazyFrame({"date": [FRIDAY]}), make_params(PredictParams, max_age_days=0)

    ages = [
        require_recent(rows, FRIDAY + timedelta(days=later), params, make_params(RecencyParams)) for later in (0, 1, 2)
    ]

    assert ages == [0, 0, 0]  # the weekend has no newer day
    with pytest.raises(InputError, match="2026-11-20, is 1 trading days old on 2026-11-23"):
        require_recent(rows, FRIDAY + timedelta(days=3), params, make_params(RecencyParams))


def test_without_a_max_age_data_of_any_age_are_accepted() -> None:
    rows = pl.LazyFrame({"date": [FRIDAY]})

    assert (
        require_recent(
            rows,
            FRIDAY + timedelta(days=999),
            make_params(PredictParams, max_age_days=None),
            make_params(RecencyParams),
        )
        is None
    )
