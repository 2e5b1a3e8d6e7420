"""A local server that answers as the J-Quants API, version 2: pages, an API key, a calendar, and faults on demand."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from jquantsapi import constants
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

KEY = "key-of-the-test-5f1c"
Fault = Callable[[], Response]


@dataclass
class JQuantsServer:
    """Bars by day and code, issues, closed days, and the faults of the next answers."""

    server: HTTPServer
    bars: dict[date, dict[str, dict[str, Any]]] = field(default_factory=dict)
    issues: dict[str, tuple[str, str]] = field(default_factory=dict)  # code -> sector, segment
    closed: set[date] = field(default_factory=set)
    faults: list[Fault | None] = field(default_factory=list)  # of the next requests; None: no fault
    requests: list[tuple[str, str]] = field(default_factory=list)  # path and day
    page: int = 2  # rows of a page

    def __post_init__(self) -> None:
        self.server.expect_request("/v2/markets/calendar").respond_with_handler(self._answer)
        self.server.expect_request("/v2/equities/master").respond_with_handler(self._answer)
        self.server.expect_request("/v2/equities/bars/daily").respond_with_handler(self._answer)

    @property
    def url(self) -> str:
        return self.server.url_for("/v2")

    def count(self) -> dict[str, int]:
        """Count the requests by table, and forget them."""
        counts = Counter(path.rsplit("/", 1)[1] for path, _ in self.requests)
        self.requests.clear()
        return dict(counts)

    def add_bar(
        self,
        day: date,
        code: str,
        close: float | None,
        volume: float = 100.0,
        factor: float = 1.0,
        quotes: tuple[float, float, float] | None = None,
    ) -> None:
        """Add a bar; without open, high and low these are 1 below, 2 above and 2 below the close. None: no trade."""
        if close is None:
            numbers = [None] * 4 + ["0", "0", None, None, factor] + [None] * 5
        else:
            prices = [*(quotes or (close - 1, close + 2, close - 2)), close]
            numbers = [*prices, "0", "0", volume, close * volume, factor, *prices, volume]
        names = constants.EQ_BARS_DAILY_COLUMNS_V2[: 2 + len(numbers)]
        self.bars.setdefault(day, {})[code] = dict(zip(names, [str(day), code, *numbers], strict=True))

    def _answer(self, request: Request) -> Response:
        self.requests.append((request.path, request.args.get("date", "")))
        if fault := self.faults.pop(0) if self.faults else None:
            return fault()
        if request.headers.get("x-api-key") != KEY:
            return message(403, "The incoming token is invalid or expired.")
        table = {"calendar": self._calendar, "master": self._master, "daily": self._daily}[
            request.path.rsplit("/", 1)[1]
        ]
        rows, first = table(request), int(request.args.get("pagination_key", 0))
        more = {"pagination_key": str(first + self.page)} if first + self.page < len(rows) else {}
        return _json({"data": rows[first : first + self.page], **more})

    def _calendar(self, request: Request) -> list[dict[str, Any]]:
        first, last = (date.fromisoformat(request.args[name]) for name in ("from", "to"))
        days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
        known = [day for day in days if day <= max(self.bars, default=last) + timedelta(days=1)]
        return [{"Date": str(day), "HolDiv": "0" if day.weekday() > 4 or day in self.closed else "1"} for day in known]

    def _daily(self, request: Request) -> list[dict[str, Any]]:
        return list(self.bars.get(date.fromisoformat(request.args["date"]), {}).values())

    def _master(self, request: Request) -> list[dict[str, Any]]:
        rows = self.bars.get(date.fromisoformat(request.args["date"]), {})
        blank = dict.fromkeys(constants.EQ_MASTER_COLUMNS_V2, "")
        issues = {code: dict(zip(("S33", "Mkt"), self.issues[code], strict=True)) for code in rows}
        return [blank | {"Date": request.args["date"], "Code": code} | issue for code, issue in issues.items()]


def message(status: int, text: str, **headers: str) -> Response:
    """Answer with an error as the API does."""
    return _json({"message": text}, status, **{name.replace("_", "-"): value for name, value in headers.items()})


def too_many(seconds: int | None = None) -> Fault:
    """Answer 429, with or without Retry-After."""
    return lambda: message(429, "Rate limit exceeded.", **({} if seconds is None else {"Retry_After": str(seconds)}))


def cut() -> Response:
    """Send half of an answer and close the connection."""
    response = Response('{"data": [{"Date": "20', content_type="application/json")
    response.headers["Content-Length"] = "5000"
    response.automatically_set_content_length = False
    return response


def _json(value: Any, status: int = 200, **headers: str) -> Response:
    return Response(json.dumps(value), status, headers, content_type="application/json")
