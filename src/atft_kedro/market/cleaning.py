"""Cleaning of price tables: rules that exclude rows or cells, a report, and the schema of the result."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any

import dataframely as dy
import polars as pl
from pydantic import Field

from ..params import InputError, Params, list_names
from ..schema import CLOSE, CODE, DATE, HIGH, KEY, LOW, OPEN, QUOTES, SECTOR, VOLUME, VWAP, plain_rows

TOLERANCE = 1e-5  # largest relative excess over a bound that rounding explains (32-bit prices, rounded text)
EXAMPLES = 5  # repeated rows that an error names

_logger = logging.getLogger(__name__)


class CleaningParams(Params):
    """Minimum size of a price table, and the largest share of rows that may be excluded.

    ``examples`` is the number of excluded rows that the report lists per rule.
    """

    max_excluded_share: Annotated[float, Field(ge=0, le=1)]
    min_stocks: Annotated[int, Field(ge=1)]
    min_days: Annotated[int, Field(ge=1)]
    examples: Annotated[int, Field(ge=0)]


class CleanPrices(dy.Schema):
    """Schema of clean prices: one row per (date, code), possible numbers, null if unknown."""

    date = dy.Date(primary_key=True)
    code = dy.String(primary_key=True)
    sector = dy.String(nullable=True)
    open = dy.Float64(nullable=True, min_exclusive=0.0)
    high = dy.Float64(nullable=True, min_exclusive=0.0)
    low = dy.Float64(nullable=True, min_exclusive=0.0)
    close = dy.Float64(nullable=False, min_exclusive=0.0)
    volume = dy.Float64(nullable=True, min=0.0)
    vwap = dy.Float64(nullable=True, min_exclusive=0.0)

    @dy.rule()
    def high_is_not_below_low(self) -> pl.Expr:
        """Require high >= low where both are known."""
        return pl.col("high").is_null() | pl.col("low").is_null() | (pl.col("high") >= pl.col("low"))


def require_clean_prices(table: pl.DataFrame) -> pl.DataFrame:
    """Validate a table against `CleanPrices`, but keep extra columns; the catalog calls this."""
    try:
        CleanPrices.validate(table)
    except dy.exc.ValidationError as error:
        raise InputError(f"clean_prices violates its schema: {error}") from error
    return table


@dataclass(frozen=True)
class Rule:
    """A condition of bad prices: its ``cells`` become null; without cells the row is excluded."""

    name: str
    is_broken: pl.Expr
    cells: tuple[str, ...] = ()


def list_row_rules(today: date) -> list[Rule]:
    """List the rules that exclude a whole row."""
    close = pl.col(CLOSE)
    return [
        Rule("no date or code", pl.col(DATE).is_null() | pl.col(CODE).is_null()),
        Rule("day in the future or before its close", pl.col(DATE) > today),
        Rule("close unknown", close.is_null() | close.is_nan()),
        Rule("close infinite", close.is_infinite()),
        Rule("close zero or negative", close <= 0),
    ]


def list_cell_rules() -> list[Rule]:
    """List the rules that set single cells to null, in the order in which they apply."""
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
        Rule("high below open or close", pl.col(HIGH) < top * (1 - TOLERANCE), (HIGH,)),
        Rule("low above open or close", pl.col(LOW) > bottom * (1 + TOLERANCE), (LOW,)),
    ]


def clean_price_table(
    prices: pl.LazyFrame, params: CleaningParams, today: date, extra: Iterable[str] = ()
) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Clean the prices up to ``today``, with their ``extra`` columns; report the exclusions."""
    table = _select_columns(prices, extra).collect()
    if not table.height:
        raise InputError("The price table has no rows.")
    total, exclusions = table.height, []
    table = table.with_columns((pl.col(name).fill_nan(None)) for name in (OPEN, HIGH, LOW, VOLUME, VWAP))
    for rule in list_row_rules(today):
        broken = table.filter(rule.is_broken)
        exclusions.append(_describe_exclusion(rule, broken, "row", params))
        table = table.filter(~rule.is_broken.fill_null(False)) if broken.height else table
    table = table.sort(CODE, DATE)
    table, repeated = _drop_repeated_rows(table)
    exclusions.append(_describe_exclusion(Rule("repeated row", pl.lit(True)), repeated, "row", params))
    for rule in list_cell_rules():
        broken = table.filter(rule.is_broken)
        exclusions.append(_describe_exclusion(rule, broken, "cell", params))
        if broken.height:
            unknown = pl.when(rule.is_broken.fill_null(False)).then(None)
            table = table.with_columns(unknown.otherwise(pl.col(name)).alias(name) for name in rule.cells)
    report = _build_report(total, table, exclusions)
    _require_enough_prices(report, params)
    return table, report


def _select_columns(prices: pl.LazyFrame, extra: Iterable[str]) -> pl.LazyFrame:
    """Select and cast the columns of `CleanPrices`, where missing optional ones are null, and extra ones."""
    schema = prices.collect_schema()
    missing = [name for name in (*KEY, CLOSE) if name not in schema]
    if missing:
        raise InputError(f"The price table has no column {', '.join(missing)}; it has {list_names(schema.names())}.")
    text = dict.fromkeys((CODE, SECTOR), pl.String)
    wanted = {DATE: pl.Date, **text, **dict.fromkeys((*QUOTES, VWAP), pl.Float64)}
    wanted |= {name: pl.Float64 for name in extra if name in schema}
    return prices.select(
        (pl.col(name) if name in schema else pl.lit(None)).cast(dtype).alias(name) for name, dtype in wanted.items()
    )


def _drop_repeated_rows(table: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Keep one of identical rows; return the kept and the repeated ones. Conflicting rows are an error."""
    kept = table.unique(maintain_order=True)
    conflicting = kept.filter(pl.struct(KEY).is_duplicated())
    if conflicting.height:
        keys = conflicting.select(KEY).unique(maintain_order=True).head(EXAMPLES)
        examples = ", ".join(f"{code} on {day}" for day, code in keys.iter_rows())
        raise InputError(
            f"{conflicting.height} rows share their date and code and differ in their numbers: {examples}. "
            "Keep one of each in the source."
        )
    has_repeated = kept.height < table.height
    return kept, table.filter(~table.to_struct().is_first_distinct()) if has_repeated else table.clear()


def _describe_exclusion(rule: Rule, broken: pl.DataFrame, unit: str, params: CleaningParams) -> dict[str, Any]:
    columns = [DATE, CODE, *(rule.cells or (CLOSE,))]
    return {
        "rule": rule.name,
        "excluded": unit,
        "count": broken.height * max(len(rule.cells), 1),
        "examples": plain_rows(broken.select(columns).head(params.examples)),
    }


def _build_report(total: int, table: pl.DataFrame, exclusions: list[dict[str, Any]]) -> dict[str, Any]:
    exclusions = [exclusion for exclusion in exclusions if exclusion["count"]]
    for exclusion in exclusions:
        _logger.warning("prices: %s: %d %s(s) excluded", exclusion["rule"], exclusion["count"], exclusion["excluded"])
    days, stocks = table[DATE], table[CODE].n_unique()
    _logger.info("prices: %d of %d rows kept, %d stocks", table.height, total, stocks)
    return {
        "rows_in": total,
        "rows_out": table.height,
        "stocks": stocks,
        "days": days.n_unique(),
        "first": str(days.min()),
        "last": str(days.max()),
        "exclusions": exclusions,
    }


def _require_enough_prices(report: dict[str, Any], params: CleaningParams) -> None:
    share = 1 - report["rows_out"] / report["rows_in"]
    if share > params.max_excluded_share:
        of_rows = (exclusion for exclusion in report["exclusions"] if exclusion["excluded"] == "row")
        largest = max(of_rows, key=lambda exclusion: exclusion["count"])
        raise InputError(
            f"{share:.1%} of the price rows would be excluded, more than cleaning.max_excluded_share = "
            f"{params.max_excluded_share:.1%}; most by the rule {largest['rule']!r} ({largest['count']} rows, "
            f"for example {largest['examples'][:2]})."
        )
    for unit, minimum in (("stocks", params.min_stocks), ("days", params.min_days)):
        if report[unit] < minimum:
            raise InputError(
                f"The prices hold {report[unit]} {unit} and at least {minimum} are needed (cleaning.min_{unit}): "
                "forecasts are compared across stocks and returns need a day before."
            )
