"""Parameters and result of one guard rule."""

from typing import Annotated, Any, Literal

import polars as pl
from pydantic import Field

from ..checks import CheckResult, Severity
from ..params import Params
from ..schema import CODE, DATE, plain_rows

EXAMPLES = 8  # number of rows, dates and codes that a result shows
MAX_COLUMNS = 32  # number of columns that a result describes in its rows

RuleSeverity = Literal["error", "warn", "off"]
Share = Annotated[float, Field(ge=0, le=1)]


class RuleParams(Params):
    """Parameters of a rule: its severity if it is broken; ``off`` skips the rule."""

    severity: RuleSeverity


class RuleResult(CheckResult):
    """The result of a rule; ``count`` is the number of rows, days or others that break it.

    The inspection fills in the name and, if the rule is broken, the severity.
    """

    name: str = ""
    severity: Severity = "ok"
    count: int = 0
    columns: list[str] = Field(default_factory=list)  # all; the other lists hold the first ones as examples
    dates: list[str | None] = Field(default_factory=list)
    codes: list[str | None] = Field(default_factory=list)
    rows: list[dict[str, Any]] = Field(default_factory=list)


def report_skipped(reason: str) -> RuleResult:
    """Create the result of a rule that does not apply to this dataset."""
    return RuleResult(severity="skipped", message=reason)


def report_rows(noun_phrase: str, rows: pl.DataFrame, columns: list[str], advice: str) -> RuleResult:
    """Create the result of a rule from the rows that break it; without any it has passed.

    ``noun_phrase`` is in the plural: "rows with …".
    """
    if not rows.height:
        return RuleResult(message=f"no {noun_phrase}")
    return RuleResult(
        message=f"{noun_phrase}: {rows.height:,}",
        count=rows.height,
        columns=columns,
        dates=_list_first_values(rows, DATE),
        codes=_list_first_values(rows, CODE),
        rows=plain_rows(rows.head(EXAMPLES)),
        advice=(advice,),
    )


def report_columns(noun_phrase: str, table: pl.DataFrame, advice: str) -> RuleResult:
    """Create the result of a rule from the columns that break it; without any it has passed.

    ``table`` has one row per column, the worst first. ``noun_phrase`` is in the plural: "columns with …".
    """
    if not table.height:
        return RuleResult(message=f"no {noun_phrase}")
    return RuleResult(
        message=f"{noun_phrase}: {table.height:,}",
        count=table.height,
        columns=table["column"].to_list(),
        rows=plain_rows(table.head(MAX_COLUMNS)),
        advice=(advice,),
    )


def _list_first_values(rows: pl.DataFrame, column: str) -> list[str | None]:
    if column not in rows.columns:
        return []
    return rows[column].unique(maintain_order=True).head(EXAMPLES).cast(pl.String).to_list()
