"""Real prices with errors: exclusions are counted, and the rest is a dataset that passes the guard."""

import re
from datetime import date
from pathlib import Path

import polars as pl
import pytest
import yaml

from atft_kedro.features.build import FEATURE_SETS, FeatureParams
from atft_kedro.guard.inspection import GuardParams, inspect_dataset, require_no_error
from atft_kedro.market.cleaning import CleaningParams, clean_price_table, require_clean_prices
from atft_kedro.market.columns import PriceFileParams
from atft_kedro.market.price_files import read_prices
from atft_kedro.params import InputError
from atft_kedro.schema import ColumnParams
from factories.datasets import make_ml_dataset
from factories.params import make_params

pytestmark = [pytest.mark.real, pytest.mark.slow]


def test_real_prices_are_cleaned_and_every_exclusion_is_counted(real_prices: Path) -> None:
    raw = read_prices(real_prices, PriceFileParams())

    clean, report = clean_price_table(raw, make_params(CleaningParams), date.today())

    excluded = sum(exclusion["count"] for exclusion in report["exclusions"] if exclusion["excluded"] == "row")
    zeros = raw.select((pl.col("open", "high", "low") <= 0).sum()).collect().row(0, named=True)
    counted = {exclusion["rule"]: exclusion["count"] for exclusion in report["exclusions"]}
    assert report["rows_in"] - report["rows_out"] == excluded
    for name, zero in zeros.items():
        assert abs(counted.get(f"{name} zero, negative or infinite", 0) - zero) <= excluded
    require_clean_prices(clean)


def test_real_prices_make_a_dataset_that_the_guard_passes(real_prices: Path) -> None:
    clean, _ = clean_price_table(read_prices(real_prices, PriceFileParams()), make_params(CleaningParams), date.today())
    codes = clean["code"].unique().sort().gather_every(20)
    few = clean.filter(pl.col("code").is_in(codes.implode()))
    params = make_params(GuardParams, **{"recency": {"historical": True}})

    report = inspect_dataset(
        make_ml_dataset(few, make_params(FeatureParams, set="wide")).lazy(),
        make_params(ColumnParams),
        params,
        date.today(),
    )

    assert require_no_error(report)["rows"] == few.height
    assert report["features"] == len(FEATURE_SETS["wide"])


def test_files_with_korean_headers_are_read_with_the_proposed_mapping(real_prices: Path) -> None:
    folder = real_prices.parent / "one_file_per_stock"
    if not folder.exists():
        pytest.skip(f"needs {folder}")
    with pytest.raises(InputError, match=r"columns: \{.*\}") as refused:
        read_prices(folder, PriceFileParams())
    mapping = yaml.safe_load(re.search(r"columns: \{.*\}", str(refused.value)).group())

    clean, report = clean_price_table(
        read_prices(folder, PriceFileParams.model_validate(mapping)), make_params(CleaningParams), date.today()
    )

    assert report["stocks"] == len(list(folder.glob("*.csv")))
    assert clean["code"].str.len_chars().unique().to_list() == [6]
    zeros = {exclusion["rule"]: exclusion["count"] for exclusion in report["exclusions"]}
    assert zeros["open zero, negative or infinite"] == zeros["high zero, negative or infinite"] > 0
