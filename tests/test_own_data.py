"""Test runs on a user's prices and on a user's dataset."""

import json
import shlex
from pathlib import Path

import polars as pl
import pytest

from factories.project import SMALL, kedro

pytestmark = pytest.mark.slow


def test_prices_come_from_a_users_files(ran_project: Path) -> None:
    prices = pl.read_parquet(ran_project / "data" / "02_intermediate" / "clean_prices.parquet")
    data = ran_project / "data" / "files"
    folder = data / "01_raw" / "prices"
    folder.mkdir(parents=True)
    for (code,), rows in prices.drop("vwap").partition_by("code", as_dict=True).items():
        rows.drop("code").rename({"date": "Date", "close": "Close"}).write_csv(folder / f"{code}.csv")

    delisted = prices.group_by("code").agg(pl.col("date").max()).sort("date").head(1).with_columns(Return=-1)
    delisted.write_csv(ran_project / "own delistings.csv")
    own = ("--env", "files,smoke", "--params", "delistings=own delistings.csv")

    kedro(ran_project, "run", *own)
    again = kedro(ran_project, "run", *own)
    simulated = kedro(ran_project, "run", "--params", SMALL)

    assert "26 of 26 stages are fresh" in again
    assert "26 of 26 stages are fresh" in simulated  # its tables and runs are in another folder
    report = json.loads((data / "08_reporting" / "price_report.json").read_text())
    assert (report["rows_in"], report["exclusions"]) == (prices.height, [])
    score = json.loads((data / "06_models" / "runs" / "latest" / "metrics.json").read_text())
    assert (score["entry_lag"], score["next_close"]) == (1, None)
    assert list(score["same_close"]["split"]) == list(score["split"])
    targets = pl.scan_parquet(data / "05_model_input" / "ml_dataset.parquet").filter(pl.col("target_1d") == -1)
    assert targets.select("delisting_date").collect().rows() == delisted.select("date").rows()


def test_an_advised_command_works_for_the_users_source_and_parameters(ran_project: Path) -> None:
    prices = pl.read_parquet(ran_project / "data" / "02_intermediate" / "clean_prices.parquet")
    prices.drop("vwap").write_parquet(ran_project / "own prices.parquet")
    own = ("--env", "files,smoke", "--params", "prices=own prices.parquet,workspace=japan")
    refused = kedro(ran_project, "run", "--pipelines", "prepare", *own, fails=True)
    _, words = refused.rsplit("Run: kedro ", 1)

    kedro(ran_project, *shlex.split(words))
    output = kedro(ran_project, "run", "--pipelines", "prepare", *own)

    assert "stage prepare.write_panel done" in output
    assert (ran_project / "data" / "japan" / "05_model_input" / "panel").is_dir()


def test_a_users_own_dataset_enters_at_the_guard_and_is_never_overwritten(ran_project: Path) -> None:
    rows = pl.read_parquet(ran_project / "data" / "05_model_input" / "ml_dataset.parquet")
    own_dataset = ran_project / "own.parquet"
    rows.filter(pl.col("code") != rows["code"][0]).write_parquet(own_dataset)
    before = own_dataset.read_bytes()
    own = ("--env", "dataset", "--params", f"ml_dataset={own_dataset}")

    not_guarded = kedro(ran_project, "run", "--pipelines", "prepare", *own, fails=True)
    kedro(ran_project, "run", "--pipelines", "train", "--from-inputs", "ml_dataset", *own)
    refused = kedro(ran_project, "run", *own, fails=True)

    report = json.loads((ran_project / "data" / "dataset" / "08_reporting" / "guard_report.json").read_text())
    assert report["stocks"] == rows["code"].n_unique() - 1
    assert f"Run: kedro run --env dataset --pipelines guard --params ml_dataset={own_dataset}" in not_guarded
    assert "is your own table and is not overwritten" in refused
    assert own_dataset.read_bytes() == before


def test_an_entry_lag_makes_targets_that_the_guard_expects(ran_project: Path) -> None:
    kedro(ran_project, "run", "--params", f"{SMALL},features.entry_lag=1")

    report = json.loads((ran_project / "data" / "08_reporting" / "guard_report.json").read_text())
    assert report["errors"] == 0


@pytest.mark.long
@pytest.mark.parametrize("mode", ["smoke", "safe", "classic", "production"])
@pytest.mark.parametrize("source", ["files", "dataset"])
def test_a_source_works_in_every_mode(ran_project: Path, source: str, mode: str) -> None:
    tables = {
        "files": ("prices", "02_intermediate/clean_prices"),
        "dataset": ("ml_dataset", "05_model_input/ml_dataset"),
    }
    name, table = tables[source]
    path = ran_project / f"{name}.parquet"
    kedro(ran_project, "run", "--pipelines", "data", "--params", SMALL)  # another test may have changed the entry lag
    pl.read_parquet(ran_project / "data" / f"{table}.parquet").drop("vwap", strict=False).write_parquet(path)
    entry_lag = {"files": 1, "dataset": 0}[source]
    quick = "network.hidden_size=16,training.steps_per_phase=1,training.epochs=null,training.compile=false"
    params = f"{name}={path},features.entry_lag={entry_lag},{quick},workspace={source}_{mode}"
    from_dataset = ("--from-inputs", "ml_dataset") if source == "dataset" else ()

    kedro(ran_project, "run", *from_dataset, "--env", f"{source},{mode}", "--params", params)

    run = ran_project / "data" / f"{source}_{mode}" / "06_models" / "runs" / "latest"
    training = json.loads((run / "manifest.json").read_text())["training"]
    assert training["deterministic"] == (mode == "safe")
    assert training["precision"] == ("bf16" if mode == "production" else "fp32")
    assert json.loads((run / "metrics.json").read_text())["entry_lag"] == entry_lag
