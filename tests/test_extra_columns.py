"""Test that further columns of price files and of tables reach the dataset, and pass the guard."""

from pathlib import Path

import polars as pl

from atft_kedro.datasets import BenchmarkReturnsDataset, DelistingsDataset, ExtraTablesDataset, PriceFilesDataset
from atft_kedro.features.build import FeatureParams
from atft_kedro.guard.inspection import GuardParams
from atft_kedro.market.cleaning import CleaningParams, require_clean_prices
from atft_kedro.market.simulation import SimulatedMarket
from atft_kedro.pipelines.data.nodes import build_ml_dataset, clean_prices
from atft_kedro.pipelines.guard.nodes import inspect_dataset
from atft_kedro.schema import ColumnParams
from factories.guard_reports import get_check
from factories.params import make_params

COLUMNS = {"pe": {"rank": True}, "short_interest": {"rank": True, "value": False}}


def test_columns_of_a_file_and_of_a_table_become_features(market: SimulatedMarket, tmp_path: Path) -> None:
    prices = market.prices.with_columns((pl.int_range(pl.len()) * 31 % 997 / 8).alias("PE"))
    prices.write_parquet(tmp_path / "prices.parquet")
    published = prices.select("code", pl.col("date").dt.truncate("1mo").alias("available_from")).unique()
    published = published.sort("code", "available_from").with_columns(short_interest=pl.int_range(pl.len()) * 7 % 101)
    (tmp_path / "extra").mkdir()
    published.write_csv(tmp_path / "extra" / "short.csv")
    features, today = make_params(FeatureParams, columns=COLUMNS), prices["date"].max()
    tables = ExtraTablesDataset(path=str(tmp_path / "extra"), columns=COLUMNS).load()
    files = PriceFilesDataset(path=str(tmp_path / "prices.parquet"), extra=COLUMNS)
    no_returns, no_delistings = BenchmarkReturnsDataset(path=None).load(), DelistingsDataset(path=None).load()

    clean, _ = clean_prices(files.load(), tables, make_params(CleaningParams), today)
    clean = require_clean_prices(clean)
    dataset = pl.concat(build_ml_dataset(clean.lazy(), no_returns, no_delistings, features))
    guard = make_params(GuardParams, splits={"severity": "off"})
    report, _ = inspect_dataset(dataset.lazy(), tables, today, make_params(ColumnParams), features, guard)

    assert {"pe", "rank_pe", "rank_short_interest"} <= {*dataset.columns}
    assert "short_interest" not in dataset.columns
    assert dataset["pe"].to_list() == prices.sort("date", "code")["PE"].cast(pl.Float32).to_list()
    newest = clean.filter(pl.col("date") == today).join(published.group_by("code").last(), on="code", suffix="_newest")
    assert newest["short_interest"].to_list() == newest["short_interest_newest"].to_list()
    assert (get_check(report, "extra_columns")["severity"], report["errors"]) == ("ok", 0)
