"""Rule that looks up the values of further columns again, in the tables that they come from."""

from collections.abc import Mapping

import polars as pl

from ..schema import AVAILABLE_FROM, CODE, DATE, KEY
from .dataset import InspectedDataset
from .rule import RuleParams, RuleResult, report_rows, report_skipped

TOLERANCE = 1e-6  # relative difference of two 32-bit numbers
VALUE, KNOWN, IS_ROW = "value", "known at the close", "is_row"

Tables = Mapping[str, pl.DataFrame]  # by file: code, available_from and values


def check_extra_columns(data: InspectedDataset, params: RuleParams, tables: Tables) -> RuleResult:
    """Require in every row the newest values that were available at its close.

    A column of which the dataset has only the rank is compared by its rank.
    """
    found = [
        _find_wrong_values(data, table.select(CODE, AVAILABLE_FROM, pl.col(name).cast(pl.Float32).alias(VALUE)), name)
        for table in tables.values()
        for name in table.columns
        if name not in (CODE, AVAILABLE_FROM) and {name, f"rank_{name}"} & {*data.features}
    ]
    if not found:
        return report_skipped("the dataset has no column of a table")
    rows = pl.concat(found).sort(DATE, CODE)
    advice = "A value whose available_from is after the date was used too early: correct what joins the tables."
    columns = rows["column"].unique(maintain_order=True).to_list()
    return report_rows("values other than those known at the close", rows, columns, advice)


def _find_wrong_values(data: InspectedDataset, table: pl.DataFrame, name: str) -> pl.DataFrame:
    """Find values that differ from the table's; if they are later ones, with the day from which they are available.

    The rows of both are put in one order of time, those of the table first on each day, and its values are repeated.
    """
    feature = name if name in data.features else f"rank_{name}"
    value = pl.col(feature).cast(pl.Float32).alias(VALUE)
    rows = data.frame.select(*KEY, value, pl.lit(True).alias(IS_ROW)).collect()
    known = pl.col(VALUE).fill_null(float("nan")).alias(KNOWN)
    events = table.select(CODE, pl.col(AVAILABLE_FROM).alias(DATE), pl.lit(False).alias(IS_ROW), known)
    ordered = pl.concat([events, rows], how="diagonal").sort(DATE, maintain_order=True)
    joined = ordered.with_columns(pl.col(KNOWN).forward_fill().over(CODE).fill_nan(None)).filter(IS_ROW)
    known = pl.col(KNOWN)
    if feature != name:
        known = ((known.rank("average") - 0.5) / known.count() - 0.5).over(DATE).cast(pl.Float32)
    joined = joined.select(*KEY, pl.lit(feature).alias("column"), VALUE, known)
    is_different = (pl.col(VALUE) - pl.col(KNOWN)).abs() > TOLERANCE * (1 + pl.col(KNOWN).abs())
    wrong = joined.filter(is_different | (pl.col(VALUE).is_null() != pl.col(KNOWN).is_null()))
    later = wrong.join(table, on=[CODE, VALUE]).filter(pl.col(AVAILABLE_FROM) > pl.col(DATE))
    return wrong.join(later.group_by(KEY).agg(pl.col(AVAILABLE_FROM).min()), on=KEY, how="left")
