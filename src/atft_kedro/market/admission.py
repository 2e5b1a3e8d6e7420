"""Which rows and cells of people's prices are admitted; whatever is left out is counted and shown."""

import logging
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any

import polars as pl
from pydantic import Field

from ..params import InputError, Params, list_names
from ..schema import CLOSE, CODE, DATE, HIGH, KEY, LOW, OPEN, QUOTES, SECTOR, VOLUME, VWAP, plain_rows

SLACK = 1e-5  # relative: prices kept in 32 bit or as rounded text touch their bounds

_logger = logging.getLogger(__name__)


class AdmissionParams(Params):
    """What a price table must have to be worked with, and how much of it may be left out."""

    max_excluded_share: Annotated[float, Field(ge=0, le=1)] = 0.05
    min_stocks: Annotated[int, Field(ge=1)] = 2
    min_days: Annotated[int, Field(ge=1)] = 2
    examples: Annotated[int, Field(ge=0)] = 5


@dataclass(frozen=True)
class Rule:
    """What is wrong where ``broken`` holds, and what is left out then: the row, or the named cells."""

    name: str
    broken: pl.Expr
    cells: tuple[str, ...] = ()


def row_rules(newest: date) -> list[Rule]:
    """List the rules that exclude a whole row."""
    close = pl.col(CLOSE)
    return [
        Rule("no date or code", pl.col(DATE).is_null() | pl.col(CODE).is_null()),
        Rule("date in the future", pl.col(DATE) > newest),
        Rule("close unknown", close.is_null() | close.is_nan()),
        Rule("close infinite", close.is_infinite()),
        Rule("close zero or negative", close <= 0),
    ]


def cell_rules() -> list[Rule]:
    """List the rules that leave single cells unknown; each sees what the ones before it left."""
    top, bottom = pl.max_horizontal(OPEN, CLOSE), pl.min_horizontal(OPEN, CLOSE)
    impossible = [
        Rule(f"{name} zero, negative or infinite", (pl.col(name) <= 0) | ~pl.col(name).is_finite(), (name,))
        for name in (OPEN, HIGH, LOW, VWAP)
    ]
    volume = pl.col(VOLUME)
    return [
        *impossible,
        Rule("volume negative or infinite", (volume < 0) | ~volume.is_finite(), (VOLUME,)),
        Rule("high below low", pl.col(HIGH) < pl.col(LOW), (HIGH, LOW)),
        Rule("high below open or close", pl.col(HIGH) < top * (1 - SLACK), (HIGH,)),
        Rule("low above open or close", pl.col(LOW) > bottom * (1 + SLACK), (LOW,)),
    ]


def admit_prices(prices: pl.LazyFrame, params: AdmissionParams, newest: date) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Clean ``prices`` up to the day ``newest`` and say what was left out, by rule, with examples."""
    table = _typed(prices).collect()
    if not table.height:
        raise InputError("The price table has no rows.")
    total, findings = table.height, []
    table = table.with_columns((pl.col(name).fill_nan(None)) for name in (OPEN, HIGH, LOW, VOLUME, VWAP))
    for rule in row_rules(newest):
        broken = table.filter(rule.broken)
        findings.append(_finding(rule, broken, "row", params))
        table = table.filter(~rule.broken.fill_null(False)) if broken.height else table
    table = table.sort(CODE, DATE)
    table, repeated = _drop_repeated(table, params)
    findings.append(repeated)
    for rule in cell_rules():
        broken = table.filter(rule.broken)
        findings.append(_finding(rule, broken, "cell", params))
        if broken.height:
            unknown = pl.when(rule.broken.fill_null(False)).then(None)
            table = table.with_columns(unknown.otherwise(pl.col(name)).alias(name) for name in rule.cells)
    report = _report(total, table, findings)
    _require_enough(report, params)
    return table, report


def _typed(prices: pl.LazyFrame) -> pl.LazyFrame:
    """Bring a price table to the columns and types of ``contract.CleanPrices``."""
    there = prices.collect_schema()
    missing = [name for name in (*KEY, CLOSE) if name not in there]
    if missing:
        raise InputError(f"The price table has no column {', '.join(missing)}; it has {list_names(there.names())}.")
    text = dict.fromkeys((CODE, SECTOR), pl.String)
    wanted = {DATE: pl.Date, **text, **dict.fromkeys((*QUOTES, VWAP), pl.Float64)}
    return prices.select(
        (pl.col(name) if name in there else pl.lit(None)).cast(dtype).alias(name) for name, dtype in wanted.items()
    ).select(DATE, CODE, SECTOR, *QUOTES, VWAP)


def _drop_repeated(table: pl.DataFrame, params: AdmissionParams) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Keep one of identical rows; rows of one (date, code) that differ are an error, as nobody knows the right one."""
    kept = table.unique(maintain_order=True)
    clashing = kept.filter(pl.struct(KEY).is_duplicated())
    if clashing.height:
        shown = ", ".join(
            f"{code} on {day}" for day, code in clashing.select(KEY).unique(maintain_order=True).head(5).iter_rows()
        )
        raise InputError(
            f"{clashing.height} rows share their date and code and differ in their numbers: {shown}. "
            "Keep one of each in the source."
        )
    again = table.clear()
    if kept.height < table.height:
        again = table.filter(~table.to_struct().is_first_distinct())
    rule = Rule("the same row again", pl.lit(True))
    return kept, _finding(rule, again, "row", params)


def _finding(rule: Rule, broken: pl.DataFrame, what: str, params: AdmissionParams) -> dict[str, Any]:
    shown = [DATE, CODE, *(rule.cells or (CLOSE,))]
    cells = broken.height * max(len(rule.cells), 1)
    return {
        "rule": rule.name,
        "left_out": what,
        "count": cells,
        "examples": plain_rows(broken.select(shown).head(params.examples)),
    }


def _report(total: int, table: pl.DataFrame, findings: list[dict[str, Any]]) -> dict[str, Any]:
    found = [finding for finding in findings if finding["count"]]
    for finding in found:
        _logger.warning("prices: %s: %d %s(s) left out", finding["rule"], finding["count"], finding["left_out"])
    days = table[DATE]
    _logger.info("prices: %d of %d rows admitted, %d stocks", table.height, total, table[CODE].n_unique())
    return {
        "rows_in": total,
        "rows_out": table.height,
        "stocks": table[CODE].n_unique(),
        "days": days.n_unique(),
        "first": str(days.min()),
        "last": str(days.max()),
        "left_out": found,
    }


def _require_enough(report: dict[str, Any], params: AdmissionParams) -> None:
    share = 1 - report["rows_out"] / report["rows_in"]
    if share > params.max_excluded_share:
        most = max(
            (finding for finding in report["left_out"] if finding["left_out"] == "row"),
            key=lambda each: each["count"],
        )
        raise InputError(
            f"{share:.1%} of the price rows would be left out, more than admission.max_excluded_share = "
            f"{params.max_excluded_share:.1%}; most by the rule {most['rule']!r} ({most['count']} rows, "
            f"for example {most['examples'][:2]})."
        )
    for what, least in (("stocks", params.min_stocks), ("days", params.min_days)):
        if report[what] < least:
            raise InputError(
                f"The prices hold {report[what]} {what} and at least {least} are needed (admission.min_{what}): "
                "forecasts are compared across stocks and returns need a day before."
            )
