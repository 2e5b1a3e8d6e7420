"""A rule's parameters and its result: what is wrong, where, and what to do."""

from typing import Any, Literal

import polars as pl
from pydantic import Field

from ..checks import CheckResult, Severity
from ..params import Params
from ..schema import plain_rows

RuleSeverity = Literal["error", "warn", "off"]
EXAMPLES = 8


class RuleParams(Params):
    """The severity of a broken rule; ``off`` skips the rule."""

    severity: RuleSeverity = "error"


class RuleResult(CheckResult):
    """The result of one rule. ``count`` is the number of rows, days, stocks or columns that break it.

    A rule returns it without its name and severity, which the inspection fills in.
    """

    name: str = ""
    severity: Severity = "ok"
    count: int = 0
    columns: list[str] = Field(default_factory=list)
    dates: list[str | None] = Field(default_factory=list)
    codes: list[str | None] = Field(default_factory=list)
    rows: list[dict[str, Any]] = Field(default_factory=list)


def skip(reason: str) -> RuleResult:
    """Report that a rule does not apply to this dataset."""
    return RuleResult(severity="skipped", message=reason)


def rows_at_fault(message: str, rows: pl.DataFrame, columns: list[str], advice: str) -> RuleResult:
    """Report the rows that break a rule: their number, dates and codes, and the first of them as examples."""
    if not rows.height:
        return RuleResult(message=f"no {message}")
    return RuleResult(
        message=f"{message}: {rows.height:,}",
        count=rows.height,
        columns=columns,
        dates=_first(rows, "date"),
        codes=_first(rows, "code"),
        rows=plain_rows(rows.head(EXAMPLES)),
        advice=(advice,),
    )


def columns_at_fault(message: str, table: pl.DataFrame, advice: str) -> RuleResult:
    """Report the columns that break a rule: ``table`` has one row per column, the worst first."""
    if not table.height:
        return RuleResult(message=f"no {message}")
    return RuleResult(
        message=f"{message}: {table.height:,}",
        count=table.height,
        columns=table["column"].to_list(),
        rows=plain_rows(table.head(4 * EXAMPLES)),
        advice=(advice,),
    )


def _first(rows: pl.DataFrame, column: str) -> list[str | None]:
    if column not in rows.columns:
        return []
    return rows[column].unique(maintain_order=True).head(EXAMPLES).cast(pl.String).to_list()
