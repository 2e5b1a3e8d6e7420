"""Live forecasts are refused, in plain words, for features, days and runs that do not fit."""

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from atft_kedro.guard.keys import RecencyParams
from atft_kedro.handoff.export import HandedModels
from atft_kedro.handoff.predicting import PredictParams, predict, require_fresh
from atft_kedro.panel.fitting import FeatureCatalogue
from atft_kedro.params import InputError
from handed import Trained

FRIDAY = date(2026, 11, 20)


def test_a_run_is_chosen_and_its_model_forecasts(
    trained: Trained, model_folder: Path, catalogue: FeatureCatalogue
) -> None:
    models = HandedModels(trained.runs)

    said = predict(trained.dataset.lazy(), catalogue, 0, models, PredictParams(days=2))

    named = predict(trained.dataset.lazy(), catalogue, 0, models, PredictParams(run=model_folder.parent.name))
    assert said["date"].n_unique() == 2
    assert named["date"].unique().to_list() == [trained.dataset["date"].max()]


@pytest.mark.usefixtures("model_folder")
def test_other_features_are_named(trained: Trained, catalogue: FeatureCatalogue) -> None:
    name, *others = catalogue.families
    fewer = FeatureCatalogue("fewer", dict.fromkeys([*others, "mine"], "own"))
    models = HandedModels(trained.runs)

    with pytest.raises(InputError, match=rf"of fewer: it lacks \['{name}'\], and has \['mine'\] beside them"):
        predict(trained.dataset.lazy(), fewer, 0, models, PredictParams())
    with pytest.raises(InputError, match="of redefined: some are defined otherwise"):
        predict(trained.dataset.lazy(), replace(catalogue, hash="redefined"), 0, models, PredictParams())
    with pytest.raises(InputError, match="the dataset's targets begin 1 ahead: features.entry_lag is not the model's"):
        predict(trained.dataset.lazy(), catalogue, 1, models, PredictParams())


def test_live_data_may_be_so_many_trading_days_old() -> None:
    rows = pl.LazyFrame({"date": [FRIDAY - timedelta(days=1), FRIDAY]})
    params, live = PredictParams(max_age_days=2), RecencyParams()

    for later in (0, 2, 3, 4):  # to Tuesday, two trading days on
        require_fresh(rows, FRIDAY + timedelta(days=later), params, live)
    with pytest.raises(InputError, match="The newest day, 2026-11-20, is 3 trading days old on 2026-11-25: load newer"):
        require_fresh(rows, FRIDAY + timedelta(days=5), params, live)


def test_data_may_be_any_age_where_that_is_asked_for() -> None:
    rows = pl.LazyFrame({"date": [FRIDAY]})

    require_fresh(rows, FRIDAY + timedelta(days=999), PredictParams(max_age_days=None), RecencyParams())
