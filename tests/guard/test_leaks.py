"""Rules for leaks: the masked correlation against a reference, and the reported features."""

import numpy as np
import polars as pl
import pytest
from scipy.stats import pearsonr

from atft_kedro.guard.inspection import GuardParams, inspect_dataset, require_no_error
from atft_kedro.guard.leaks import correlate
from atft_kedro.params import InputError
from atft_kedro.schema import ColumnParams
from factories.guard_reports import HISTORICAL, TODAY, get_check, inspect, later, set_to
from factories.params import make_params


def test_correlation_over_known_pairs_equals_scipys() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((200, 4)) * [1, 1e4, 1e-3, 1], rng.standard_normal((200, 3)) + [0, 100, 0]
    x[:, 3] += y[:, 0]
    x[rng.uniform(size=x.shape) < 0.2] = np.nan
    y[rng.uniform(size=y.shape) < 0.2] = np.nan

    r = correlate(x, y)

    for i in range(4):
        for j in range(3):
            both = np.isfinite(x[:, i]) & np.isfinite(y[:, j])
            np.testing.assert_allclose(r[i, j], pearsonr(x[both, i], y[both, j])[0], atol=1e-10)


def test_constant_or_too_short_columns_have_no_correlation() -> None:
    x, y = np.ones((10, 2)), np.arange(10.0)[:, None]
    x[:8, 1] = np.nan

    assert np.isnan(correlate(x, y)).all()


def test_a_feature_that_leaks_several_targets_is_counted_once(ml_dataset: pl.DataFrame) -> None:
    report = inspect(set_to("hint", pl.col("target_5d") + pl.col("target_10d"))(ml_dataset))

    found = get_check(report, "leak")
    assert (found["columns"], found["count"], len(found["rows"])) == (["hint"], 1, 1)


def test_a_shifted_target_is_named_with_its_direction(ml_dataset: pl.DataFrame) -> None:
    report = inspect(set_to("hint", later("target_5d", 1))(set_to("old", later("target_5d", -2))(ml_dataset)))

    found = {row["column"]: row["same as"] for row in get_check(report, "shifted_target")["rows"]}
    assert found == {"hint": "target_5d of 1 observation later", "old": "target_5d of 2 observations earlier"}


def test_wrong_plugged_in_features_stop_the_run_by_name(ml_dataset: pl.DataFrame) -> None:
    def find_faults(prices: pl.LazyFrame) -> dict[str, str]:
        assert {"sector", "open", "volume"} <= {*prices.collect_schema()}
        return {"next_rise": "uses later prices"}

    report = inspect_dataset(
        ml_dataset.lazy(), make_params(ColumnParams), make_params(GuardParams, **HISTORICAL), TODAY, find_faults
    )

    with pytest.raises(InputError, match="extra_features: plugged-in features that use later prices.*next_rise"):
        require_no_error(report)
    without_prices = inspect(ml_dataset.drop("open"))
    assert get_check(without_prices, "extra_features")["severity"] == "skipped"
