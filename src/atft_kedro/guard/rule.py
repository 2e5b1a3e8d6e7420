"""Parameters and result of one guard rule."""

from typing import Annotated, Any, Literal

import polars as pl
from pydantic import Field

from ..checks import CheckResult, Severity
from ..params import Params
from ..schema import plain_rows

EXAMPLES = 8  # rows and dates that a result lists

RuleSeverity = Literal["error", "warn", "off"]
Share = Annotated[float, Field(ge=0, le=1)]


class RuleParams(Params):
    """The severity of a broken rule; ``off`` skips the rule."""

    severity: RuleSeverity


class RuleResult(CheckResult):
    """The result of a rule; ``count`` is how many rows, days, stocks or columns break it.

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


def report_rows(message: str, rows: pl.DataFrame, columns: list[str], advice: str) -> RuleResult:
    """Report the rows that break a rule: their number, dates and codes, and examples."""
    if not rows.height:
        return RuleResult(message=f"no {message}")
    return RuleResult(
        message=f"{message}: {rows.height:,}",
        count=rows.height,
        columns=columns,
        dates=_list_first(rows, "date"),
        codes=_list_first(rows, "code"),
        rows=plain_rows(rows.head(EXAMPLES)),
        advice=(advice,),
    )


def report_columns(message: str, table: pl.DataFrame, advice: str) -> RuleResult:
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


def _list_first(rows: pl.DataFrame, column: str) -> list[str | None]:
    if column not in rows.columns:
        return []
    return rows[column].unique(maintain_order=True).head(EXAMPLES).cast(pl.String).to_list()
