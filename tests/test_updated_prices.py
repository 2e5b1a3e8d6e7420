"""Test complete runs on prices that are stored day by day: from J-Quants, and from a folder with a file per day."""

import re
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from pytest_httpserver import HTTPServer

from atft_kedro.guard.calendars import sessions
from factories.jquants_server import KEY, JQuantsServer
from factories.price_files import write
from factories.project import kedro

pytestmark = [pytest.mark.slow, pytest.mark.long]
PARAMS = "guard.recency.historical=true,predict.max_age_days=null,predict.run=latest,baselines.lightgbm.rounds=10"


def use_server(project: Path, server: JQuantsServer, since: date) -> None:
    catalog = project / "conf" / "jquants" / "catalog.yml"
    text = catalog.read_text().replace("https://api.jquants.com/v2", server.url)
    text = re.sub(r"since: \S+", f"since: {since}", text)
    catalog.write_text(re.sub(r"requests_per_minute: \d+", "requests_per_minute: 1000000", text))


def test_a_run_fetches_trains_and_forecasts_the_next_day(ran_project: Path, httpserver: HTTPServer) -> None:
    prices = pl.read_parquet(ran_project / "data" / "02_intermediate" / "clean_prices.parquet")
    days = sessions("XTKS", date(2023, 1, 4), date(2024, 12, 30)).to_list()[: prices["date"].n_unique() + 1]
    weekdays = {days[0] + timedelta(days=number) for number in range((days[-1] - days[0]).days + 2)}
    server = JQuantsServer(httpserver, closed=weekdays - {*days}, page=1000)
    calendar = dict(zip(prices["date"].unique().sort(), days, strict=False))
    delisted, *codes = prices["code"].unique().sort()
    for row in prices.iter_rows(named=True):
        code, day, quotes = row["code"], calendar[row["date"]], (row["open"], row["high"], row["low"])
        server.issues[code] = ("0050", "0111")
        if code != delisted or day < days[-50]:
            server.add_bar(day, code, row["close"], row["volume"], quotes=quotes)
    use_server(ran_project, server, since=days[0])

    write(ran_project / "conf" / "local" / "credentials.yml", "jquants: {api_key: wrong}")
    refused = kedro(ran_project, "run", "--env", "jquants,smoke", "--params", PARAMS, fails=True)
    assert "Error: J-Quants refused /markets/calendar (403 The incoming token is invalid or expired.)" in refused
    assert server.count() == {"calendar": 1}
    write(ran_project / "conf" / "local" / "credentials.yml", f"jquants: {{api_key: {KEY}}}\n")
    first = kedro(ran_project, "run", "--env", "jquants,smoke", "--params", PARAMS)
    requests = server.count()
    for code in codes:
        if code in server.bars[days[-2]]:
            server.add_bar(days[-1], code, server.bars[days[-2]][code]["C"])
    second = kedro(ran_project, "run", "--env", "jquants", "--pipelines", "predict", "--params", PARAMS)

    assert f"{len(days) - 1} days added" in first
    assert (requests["daily"], requests["calendar"]) == (len(days), 1)  # the newest day has no bars yet
    assert "1 days added" in second
    assert server.count() == {"calendar": 1, "daily": 1 + 5}  # five days are compared with the stored ones
    data = ran_project / "data" / "jquants"
    assert pl.read_parquet(data / "07_model_output" / "predictions.parquet")["date"].unique().to_list() == [days[-1]]
    dataset = pl.read_parquet(data / "05_model_input" / "ml_dataset.parquet")
    assert dataset.filter(code=delisted)["delisting_date"].drop_nulls().unique().to_list() == [days[-51]]
    assert KEY not in first + second


def test_a_file_per_day_is_forecast_day_by_day(ran_project: Path) -> None:
    prices = pl.read_parquet(ran_project / "data" / "02_intermediate" / "clean_prices.parquet").drop("vwap")
    folder = ran_project / "incoming"
    folder.mkdir()
    by_day = prices.partition_by("date", as_dict=True, include_key=True)
    *known, first, second = sorted(by_day)
    for key in known:
        by_day[key].write_csv(folder / f"{key[0]}.csv")
    own = ("--env", "daily", "--params", f"prices=incoming,{PARAMS}")

    output = kedro(ran_project, "run", "--env", "daily,smoke", *own[2:])
    assert f"{len(known)} days added" in output
    for key in (first, second):
        by_day[key].write_csv(folder / f"{key[0]}.csv")
        assert "1 days added" in kedro(ran_project, "run", "--pipelines", "predict", *own)

    journal = [*(ran_project / "data" / "daily" / "07_model_output" / "journal").glob("*.parquet")]
    days = pl.concat([pl.read_parquet(file) for file in journal])["date"].unique().sort().to_list()
    assert days == [first[0], second[0]]
