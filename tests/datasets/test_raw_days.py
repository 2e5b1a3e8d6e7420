"""Test the datasets of raw days: their state for the cache, and what they keep secret."""

import logging
from datetime import date
from pathlib import Path

import pytest
from kedro.io import AbstractDataset, DataCatalog, DatasetError
from kedro.pipeline import Node, Pipeline
from pytest_httpserver import HTTPServer

from atft_kedro.datasets import DailyFolderDataset, DelistedIssuesDataset, JQuantsDataset
from atft_kedro.hooks import PriceUpdateHook
from atft_kedro.params import InputError
from atft_kedro.stages.fingerprint import ABSENT, hash_state
from factories.jquants_server import KEY, JQuantsServer
from factories.price_files import write


@pytest.fixture
def server(httpserver: HTTPServer) -> JQuantsServer:
    server = JQuantsServer(httpserver, issues={"13010": ("0050", "0111"), "13050": ("1050", "0112")})
    for day in (4, 5):
        server.add_bar(date(2024, 1, day), "13010", 100.0)
    server.add_bar(date(2024, 1, 4), "13050", 50.0)
    return server


def make_dataset(path: Path, url: str, key: object = KEY, **settings: object) -> JQuantsDataset:
    credentials = {"api_key": key}
    settings = {"since": "2024-01-04", "requests_per_minute": 1e9, "delay_days": 0, "recheck_days": 0} | settings
    return JQuantsDataset(path=str(path), credentials=credentials, url=url, **settings)


def make_folder_dataset(path: Path) -> DailyFolderDataset:
    return DailyFolderDataset(path=str(path / "store"), filepath=str(path / "in"), incoming={}, recheck_days=20)


def test_prices_and_delistings_come_from_the_stored_days_also_as_of_an_earlier_one(
    server: JQuantsServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    prices, delistings = (
        make_dataset(tmp_path, server.url),
        DelistedIssuesDataset(path=str(tmp_path), final_return=-0.1),
    )
    assert (hash_state(prices), delistings.load().height) == (ABSENT, 0)

    prices.update()

    assert prices.load().collect().height == 3
    assert delistings.load().rows() == [(date(2024, 1, 4), "13050", -0.1)]
    assert ABSENT not in (hash_state(prices), hash_state(delistings))
    assert KEY not in f"{prices} {prices._describe()} {caplog.text}"
    server.count()
    as_of = make_dataset(tmp_path, server.url, key=None, as_of="2024-01-04")
    as_of.update()
    assert server.count() == {}
    assert as_of.load().collect()["date"].unique().to_list() == [date(2024, 1, 4)]
    assert DelistedIssuesDataset(path=str(tmp_path), final_return=0, as_of="2024-01-04").load().is_empty()


def test_the_state_changes_with_a_new_day_and_not_by_an_update_without_one(tmp_path: Path) -> None:
    write(tmp_path / "in" / "2024-01-04.csv", "date,code,close\n2024-01-04,A,1\n")
    prices = make_folder_dataset(tmp_path)
    prices.update()
    state = hash_state(prices)

    prices.update()
    assert hash_state(prices) == state
    write(tmp_path / "in" / "2024-01-05.csv", "date,code,close\n2024-01-05,A,1\n")
    prices.update()

    assert hash_state(prices) != state


def test_a_missing_key_and_a_wrong_entry_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="needs an API key: .* in conf/local/credentials.yml"):
        make_dataset(tmp_path, "http://127.0.0.1:9", key=None).update()
    for wrong in ({"sinse": "2024-01-04"}, {"as_of": "yesterday"}):
        with pytest.raises(DatasetError, match=f"(?s){next(iter(wrong))}.*'prices'"):
            entry = {"type": "atft_kedro.datasets.DelistedIssuesDataset", "path": "x", "final_return": 0}
            AbstractDataset.from_config("prices", entry | wrong)


def test_the_hook_updates_the_prices_of_a_pipeline_that_reads_them(tmp_path: Path) -> None:
    write(tmp_path / "in" / "2024-01-04.csv", "date,code,close\n2024-01-04,A,1\n")
    dataset = make_folder_dataset(tmp_path)
    catalog, hook = DataCatalog({"prices": dataset}), PriceUpdateHook()

    hook.before_pipeline_run(Pipeline([Node(lambda other: other, "other", "result", name="other")]), catalog)
    assert not (tmp_path / "store").exists()
    hook.before_pipeline_run(Pipeline([Node(lambda prices: prices, "prices", "result", name="read")]), catalog)

    assert dataset.load().collect().height == 1
