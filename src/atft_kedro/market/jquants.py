"""Daily prices of the Tokyo Stock Exchange from the J-Quants API, version 2 (docs/jquants.md)."""

import logging
import time
from dataclasses import field
from datetime import date
from typing import Any

import polars as pl
import requests
from pydantic import PositiveFloat
from pydantic.dataclasses import dataclass

from ..params import InputError
from ..schema import CLOSE, CODE, DATE, HIGH, LOW, OPEN, SECTOR, VOLUME, VWAP
from .columns import ADJUSTMENT_FACTOR
from .raw_days import SCHEMA, SEGMENT

TRADING = ("1", "2")  # divisions of the calendar: a trading day, and a half one
BARS = {OPEN: "O", HIGH: "H", LOW: "L", CLOSE: "C", VOLUME: "Vo", ADJUSTMENT_FACTOR: "AdjFactor"}  # before adjustment
ISSUES = {CODE: "Code", SECTOR: "S33", SEGMENT: "Mkt"}  # one of 33 sectors; the market segment
ATTEMPTS = 6  # of a request
TIMEOUT = 60  # seconds without a byte
PAUSE = 60  # seconds after the answer 429 without Retry-After: limits are per minute
REFUSED, TOO_MANY, SERVER_ERROR = (401, 403), 429, 500

_logger = logging.getLogger(__name__)


@dataclass
class JQuantsClient:
    """Requests to the API, at most ``requests_per_minute``; failed ones are repeated."""

    api_key: str = field(repr=False)
    url: str
    requests_per_minute: PositiveFloat
    next_request: float = 0.0  # of the monotonic clock

    def list_rows(self, path: str, query: dict[str, str]) -> list[dict[str, Any]]:
        """Request all pages of a table."""
        page = self._request_page(path, query)
        rows: list[dict[str, Any]] = page.get("data", [])
        while key := page.get("pagination_key"):
            page = self._request_page(path, query | {"pagination_key": key})
            rows += page.get("data", [])
        return rows

    def _request_page(self, path: str, query: dict[str, str]) -> Any:
        """Request a page; repeat it after 429, server errors and cut connections."""
        reason = ""
        for attempt in range(1, ATTEMPTS + 1):
            time.sleep(max(0.0, self.next_request - time.monotonic()))
            self.next_request = time.monotonic() + 60 / self.requests_per_minute
            pause = 2**attempt
            try:
                answer = requests.get(
                    self.url + path, query, headers={"x-api-key": self.api_key}, timeout=TIMEOUT, allow_redirects=False
                )
                if answer.status_code < 300:
                    return answer.json()
                reason = f"{answer.status_code} {_read_message(answer)}"
                _require_repeatable(answer.status_code, path, query, reason)
                text = answer.headers.get("Retry-After", "")
                pause = int(text) if text.isdecimal() else PAUSE if answer.status_code == TOO_MANY else pause
            except requests.RequestException as error:  # a cut connection, no answer, or half an answer
                reason = str(error)
            if attempt < ATTEMPTS:
                _logger.warning("J-Quants: %s failed (%s); the next attempt is in %d s", path, reason, pause)
                time.sleep(pause)
        raise InputError(
            f"J-Quants did not answer {path} in {ATTEMPTS} attempts ({reason}). The days fetched so far are stored: "
            "run the same command again later, and it continues after them."
        )


def _require_repeatable(status: int, path: str, query: dict[str, str], reason: str) -> None:
    """Refuse a request that would fail again."""
    if status in REFUSED:
        raise InputError(
            f"J-Quants refused {path} ({reason}): the API key is wrong, or its plan does not include this table. Write "
            "`jquants: {api_key: …}` into conf/local/credentials.yml; your keys are on "
            "https://jpx-jquants.com/dashboard/api-keys."
        )
    if status != TOO_MANY and status < SERVER_ERROR:
        raise InputError(
            f"J-Quants cannot answer {path} for {query} ({reason}). If your plan does not have these days, change "
            "`since` or `delay_days` in conf/jquants/catalog.yml."
        )


def _read_message(answer: requests.Response) -> str:
    try:
        return str(answer.json()["message"])
    except (ValueError, KeyError, TypeError):
        return str(answer.reason)


@dataclass(frozen=True)
class JQuantsSource:
    """The days of the exchange: bars, and the sector and market segment of each issue."""

    client: JQuantsClient
    first: date
    last: date

    def list_days(self) -> list[date]:
        """List the trading days of the exchange's calendar, from ``first`` to ``last``."""
        rows = self.client.list_rows("/markets/calendar", {"from": str(self.first), "to": str(self.last)})
        days = [date.fromisoformat(row["Date"]) for row in rows if row["HolDiv"] in TRADING]
        return sorted(day for day in days if self.first <= day <= self.last)

    def read_day(self, day: date, stored: pl.DataFrame) -> pl.DataFrame:
        """Request the bars of a day.

        Sectors and segments come from ``stored``. They are requested if it is of another month, or lacks a code.
        """
        bars = self.client.list_rows("/equities/bars/daily", {"date": str(day)})
        prices = pl.DataFrame([_read_bar(row) for row in bars], SCHEMA)
        issues = stored.select(*ISSUES)
        is_new_month = stored.is_empty() or stored[DATE][0].replace(day=1) != day.replace(day=1)
        if bars and (is_new_month or not set(prices[CODE]) <= set(issues[CODE])):
            rows = self.client.list_rows("/equities/master", {"date": str(day)})
            issues = pl.DataFrame([{name: row[key] for name, key in ISSUES.items()} for row in rows], issues.schema)
        return prices.drop(SECTOR, SEGMENT).join(issues, on=CODE, how="left").select(SCHEMA.names())


def _read_bar(row: dict[str, Any]) -> dict[str, Any]:
    """Read a row of the API; the numbers of a stock without a trade are null."""
    try:
        numbers = {name: None if row[key] is None else float(row[key]) for name, key in BARS.items()}
        volume = numbers[VOLUME]
        vwap = {VWAP: float(row["Va"]) / volume if volume else None}  # Va: the traded value
        return {DATE: date.fromisoformat(row["Date"]), CODE: row["Code"], **numbers, **vwap}
    except (KeyError, ValueError, TypeError) as error:
        raise InputError(f"This bar of J-Quants cannot be read, nothing was stored ({error!r}): {row}") from error
