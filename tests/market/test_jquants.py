"""Test the source J-Quants against a local server: requests made, days stored, prices, faults."""

import logging
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from jquantsapi import ClientV2
from polars.testing import assert_frame_equal
from pytest_httpserver import HTTPServer

from atft_kedro.market import jquants
from atft_kedro.market.jquants import JQuantsClient, JQuantsSource
from atft_kedro.market.raw_days import SCHEMA, RawDays
from atft_kedro.params import InputError
from factories.jquants_server import KEY, JQuantsServer, cut, message, too_many
from factories.project import ROOT, environment

WEEK = [date(2024, 1, day) for day in (4, 5, 9, 10, 11)]  # the 8th is a holiday
HALF = 0.5  # factor of a split of one share into two


@pytest.fixture
def server(httpserver: HTTPServer) -> JQuantsServer:
    """A split on the 10th (1301), a delisting after the 9th (1305), no trade on the 5th (1332), and a fund (1306)."""
    server = JQuantsServer(httpserver, closed={date(2024, 1, 8)})
    server.issues = {
        "13010": ("0050", "0111"),
        "13050": ("1050", "0112"),
        "13320": ("3050", "0111"),
        "13060": ("9999", "0109"),
    }
    for number, day in enumerate(WEEK):
        is_split = number >= 3
        server.add_bar(day, "13010", (110.0 if is_split else 200.0) + number, factor=HALF if number == 3 else 1.0)
        if number < 3:
            server.add_bar(day, "13050", 50.0)
        server.add_bar(day, "13320", None if number == 1 else 30.0)
        server.add_bar(day, "13060", 1000.0)
    return server


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that the client waited, without waiting."""
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", lambda seconds: waited.append(seconds) if seconds else None)
    return waited


def source(server: JQuantsServer, last: date = WEEK[-1], key: str = KEY, per_minute: float = 1e9) -> JQuantsSource:
    return JQuantsSource(JQuantsClient(key, server.url, per_minute), WEEK[0], last)


def update(days: RawDays, server: JQuantsServer, last: date = WEEK[-1], recheck_days: int = 0) -> list[date]:
    return days.update(source(server, last), recheck_days)


def contents(days: RawDays) -> dict[str, tuple[bytes, int]]:
    return {file.name: (file.read_bytes(), file.stat().st_mtime_ns) for file in days.days_folder.iterdir()}


def test_the_first_fetch_and_the_next_day(server: JQuantsServer, tmp_path: Path) -> None:
    days = RawDays(tmp_path)

    assert update(days, server, last=WEEK[-2]) == WEEK[:-1]
    assert server.count() == {"calendar": 4, "daily": 8, "master": 2}  # pages of two rows
    stored = contents(days)
    assert update(days, server) == [WEEK[-1]]
    assert server.count() == {"calendar": 4, "daily": 2}
    assert update(days, server) == []
    assert server.count() == {"calendar": 4}
    assert stored.items() <= contents(days).items()
    assert len(contents(days)) == len(WEEK)


def test_prices_are_adjusted_for_a_split_that_changes_no_stored_day(server: JQuantsServer, tmp_path: Path) -> None:
    days = RawDays(tmp_path)
    update(days, server, last=WEEK[2])
    before, stored = days.load().collect(), contents(days)

    update(days, server)

    own = pl.col("code") == "13010"
    expected = pl.DataFrame(
        {
            "date": WEEK,
            "sector": "0050",
            "open": [99.5, 100.0, 100.5, 112.0, 113.0],  # halves of 199, 200 and 201 before the split
            "high": [101.0, 101.5, 102.0, 115.0, 116.0],
            "low": [99.0, 99.5, 100.0, 111.0, 112.0],
            "close": [100.0, 100.5, 101.0, 113.0, 114.0],
            "volume": [200.0, 200.0, 200.0, 100.0, 100.0],
            "vwap": [100.0, 100.5, 101.0, 113.0, 114.0],
        }
    )
    assert_frame_equal(days.load().filter(own).drop("code").collect(), expected)
    assert before.filter(own)["close"].to_list() == [200.0, 201.0, 202.0]
    assert stored.items() <= contents(days).items()
    assert_frame_equal(RawDays(tmp_path, WEEK[2]).load().collect(), before)


def test_stocks_without_a_trade_have_no_row_and_missing_ones_are_delisted(
    server: JQuantsServer, tmp_path: Path
) -> None:
    days = RawDays(tmp_path, None, ("0109",))
    update(days, server)

    prices = days.load().collect()

    assert prices.group_by("code").len().sort("code").rows() == [("13010", 5), ("13050", 3), ("13320", 4)]
    assert days.find_delisted(0.0).rows() == [(WEEK[2], "13050", 0.0)]
    assert RawDays(tmp_path, WEEK[2], ("0109",)).find_delisted(0.0).is_empty()
    assert RawDays(tmp_path, None, ("0112",)).find_delisted(0.0).is_empty()


def test_a_new_issue_and_a_new_month_request_the_sectors_again(server: JQuantsServer, tmp_path: Path) -> None:
    days = RawDays(tmp_path)
    update(days, server)
    server.count()
    server.issues["99990"] = ("9050", "0113")
    for day in (date(2024, 1, 12), date(2024, 1, 15), date(2024, 2, 1)):
        server.add_bar(day, "99990", 10.0)
    server.closed |= {date(2024, 1, day) for day in range(16, 32)}

    update(days, server, last=date(2024, 2, 1))

    assert [day for path, day in server.requests if "master" in path] == ["2024-01-12", "2024-02-01"]
    assert days.read(date(2024, 1, 15)).rows(named=True)[0]["sector"] == "9050"


def test_a_cut_connection_is_repeated_and_an_interrupted_fetch_resumes(
    server: JQuantsServer, tmp_path: Path, pauses: list[float]
) -> None:
    days, whole = RawDays(tmp_path / "interrupted"), RawDays(tmp_path / "whole")
    server.faults = [None] * 4 + [None, None, None, None, None, cut, None, None, *[cut] * jquants.ATTEMPTS]

    with pytest.raises(InputError, match=r"/equities/bars/daily in 6 attempts .*run the same command again"):
        update(days, server)
    stored = contents(days)
    assert pauses == [2, 2, 4, 8, 16, 32]
    assert not [*days.folder.rglob("*.partial")]
    requested = len(server.requests)
    update(days, server)

    assert 0 < len(stored) < len(WEEK)
    assert stored.items() <= contents(days).items()
    fetched_again = [day for path, day in server.requests[requested:] if "daily" in path]
    assert not {f"{day}.parquet" for day in fetched_again} & set(stored)
    update(whole, server)
    assert {name: data for name, (data, _) in contents(days).items()} == {
        name: data for name, (data, _) in contents(whole).items()
    }


FETCH = """
import sys
from datetime import date
from pathlib import Path
from atft_kedro.market.jquants import JQuantsClient, JQuantsSource
from atft_kedro.market.raw_days import RawDays
source = JQuantsSource(JQuantsClient(sys.argv[1], sys.argv[2], 600), date(2024, 1, 4), date(2024, 1, 11))
RawDays(Path(sys.argv[3])).update(source, 0)
"""


@pytest.mark.long
def test_a_killed_fetch_leaves_complete_days_and_resumes(server: JQuantsServer, tmp_path: Path) -> None:
    days = RawDays(tmp_path)
    process = subprocess.Popen([sys.executable, "-c", FETCH, KEY, server.url, str(tmp_path)], env=environment(ROOT))
    while len(days.list_days()) < 2:  # a request every 0.1 s
        time.sleep(0.01)
    process.kill()
    process.wait()
    stored = contents(days)

    added = update(days, server)

    assert added == WEEK[len(stored) :]
    assert added
    assert stored.items() <= contents(days).items()
    assert days.load().collect().height == 5 + 3 + 4 + 5


def test_retry_after_is_obeyed(server: JQuantsServer, tmp_path: Path, pauses: list[float]) -> None:
    server.faults = [too_many(7), None, too_many(), None, lambda: message(500, "Unexpected error.")]

    assert update(RawDays(tmp_path), server) == WEEK

    assert pauses == [7, jquants.PAUSE, 2]
    assert server.count()["calendar"] == 4 + 3


def test_requests_are_paced(server: JQuantsServer) -> None:
    start = time.monotonic()

    source(server, date(2024, 1, 9), per_minute=1200).list_days()  # three pages: two pauses of 50 ms

    assert time.monotonic() - start > 0.1


def test_wrong_credentials_stop_at_once_and_are_never_shown(
    server: JQuantsServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    wrong = source(server, key="wrong-secret-key")

    with pytest.raises(InputError, match=r"the API key is wrong.*conf/local/credentials.yml") as refused:
        RawDays(tmp_path).update(wrong, 0)

    assert server.count() == {"calendar": 1}
    assert "wrong-secret-key" not in f"{refused.value} {caplog.text} {wrong}"


def test_days_outside_the_plan_are_named(server: JQuantsServer, tmp_path: Path) -> None:
    text = "Your subscription covers the following dates: 2023-01-01 ~ ."
    server.faults = [lambda: message(400, text)]

    with pytest.raises(InputError, match=r"subscription covers.*change `since` or `delay_days`"):
        update(RawDays(tmp_path), server)


def test_an_unknown_form_of_a_bar_is_refused(server: JQuantsServer, tmp_path: Path) -> None:
    del server.bars[WEEK[1]]["13010"]["AdjFactor"]

    with pytest.raises(InputError, match="cannot be read, nothing was stored.*AdjFactor"):
        update(RawDays(tmp_path), server)

    assert RawDays(tmp_path).list_days() == WEEK[:1]


def test_the_client_of_jquants_reads_the_same_from_this_server(
    server: JQuantsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Test the server: its pages, key and columns are those that the official client expects."""
    monkeypatch.setattr(ClientV2, "JQUANTS_API_BASE", server.url)
    client = ClientV2(api_key=KEY)

    bars, issues = client.get_eq_bars_daily(date_yyyymmdd="2024-01-05"), client.get_eq_master(date="2024-01-05")
    calendar = client.get_mkt_calendar(from_yyyymmdd="2024-01-04", to_yyyymmdd="2024-01-11")
    prices = source(server).read_day(WEEK[1], pl.DataFrame(schema=SCHEMA))
    assert prices["close"].to_list() == [201.0, 50.0, None, 1000.0]
    assert bars.sort_values("Code")["C"].fillna(-1).tolist() == prices.sort("code")["close"].fill_null(-1).to_list()
    assert issues["S33"].tolist() == prices.sort("code")["sector"].to_list()
    trading = calendar[calendar["HolDiv"] == "1"]["Date"].dt.date.tolist()
    assert trading == source(server).list_days() == WEEK
