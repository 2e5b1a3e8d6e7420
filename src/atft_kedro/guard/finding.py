"""What a rule found: enough to see what is wrong, where, and what to do."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import polars as pl

from ..params import Params
from ..schema import plain_rows

Severity = Literal["error", "warn", "off"]
EXAMPLES = 8


class RuleParams(Params):
    """How serious it is when the rule is broken; ``off`` does not even look."""

    severity: Severity = "error"


@dataclass(frozen=True)
class Finding:
    """One rule's answer. ``count`` is what broke it; nothing found and nothing skipped is a pass."""

    says: str
    count: int = 0
    columns: list[str] = field(default_factory=list)
    dates: list[str] = field(default_factory=list)
    codes: list[str] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    advice: str = ""
    skipped: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Write it down for the report."""
        return asdict(self)


def skip(why: str) -> Finding:
    """Say why a rule cannot be applied to this dataset."""
    return Finding(says=why, skipped=True)


def rows_at_fault(says: str, rows: pl.DataFrame, columns: list[str], advice: str) -> Finding:
    """Report rows: how many, on which dates, of which codes, with the first of them as examples."""
    if not rows.height:
        return Finding(says=f"no {says}")
    return Finding(
        says=f"{says}: {rows.height:,}",
        count=rows.height,
        columns=columns,
        dates=_first(rows, "date"),
        codes=_first(rows, "code"),
        rows=plain_rows(rows.head(EXAMPLES)),
        advice=advice,
    )


def columns_at_fault(says: str, table: pl.DataFrame, advice: str) -> Finding:
    """Report columns: a table with one row each, named by its column ``column``, the worst first."""
    if not table.height:
        return Finding(says=f"no {says}")
    return Finding(
        says=f"{says}: {table.height:,}",
        count=table.height,
        columns=table["column"].to_list(),
        rows=plain_rows(table.head(4 * EXAMPLES)),
        advice=advice,
    )


def _first(rows: pl.DataFrame, column: str) -> list[str]:
    if column not in rows.columns:
        return []
    return rows[column].unique(maintain_order=True).head(EXAMPLES).cast(pl.String).to_list()
