"""Which of a price file's columns is which of ours."""

from collections import Counter
from pathlib import Path
from typing import Literal

from pydantic import Field

from ..params import InputError, Params, list_names
from ..schema import CODE, DATE, KEY, QUOTES, SECTOR, VWAP
from .parse_cells import DateFormat

ADJUSTED_CLOSE = "adjusted_close"
FIELDS = (*QUOTES, VWAP, ADJUSTED_CLOSE)
Layout = Literal["auto", "long", "per_stock", "wide"]


class PriceFileParams(Params):
    """How people's files are laid out and what they call their columns.

    ``columns`` maps our names (date, code, open, high, low, close, volume; optional: sector, vwap,
    adjusted_close) to theirs. A name that is not mapped is looked for as it is, whatever its case.
    """

    columns: dict[str, str] = Field(default_factory=dict)
    layout: Layout = "auto"
    dates: DateFormat = DateFormat()


def find_columns(there: list[str], params: PriceFileParams, file: Path) -> dict[str, str]:
    """Find which of the columns ``there`` in ``file`` is which of ours; the result maps ours to theirs."""
    plain = {plain_name(name): name for name in there}
    if "adj_close" in plain and plain["adj_close"] not in params.columns.values():
        plain.setdefault(ADJUSTED_CLOSE, plain["adj_close"])
    found = {ours: plain[ours] for ours in (DATE, CODE, SECTOR, *FIELDS) if ours in plain} | params.columns
    claimed = [theirs for theirs in found.values() if list(found.values()).count(theirs) > 1]
    alike = [plain[name] for name, times in Counter(map(plain_name, there)).items() if times > 1]
    if claimed or any(name in alike for name in found.values()):
        raise InputError(
            f"{file}: several columns could be {(claimed or alike)[0]!r}: map each of ours to one of its own."
        )
    absent = {ours: theirs for ours, theirs in params.columns.items() if theirs not in there}
    if absent:
        named = ", ".join(f"{ours} → {theirs!r}" for ours, theirs in absent.items())
        raise InputError(
            f"{file}: the column mapping names columns that the file lacks: {named}. The file has {list_names(there)}."
        )
    return found


def plain_name(name: str) -> str:
    """Write a column's name in lower case, with ``_`` for blanks."""
    return name.strip().lower().replace(" ", "_")


def require_known(columns: dict[str, str]) -> None:
    """Refuse a mapping of names that are not ours."""
    unknown = sorted(set(columns) - {*KEY, SECTOR, *FIELDS})
    if unknown:
        raise InputError(
            f"`columns:` maps {unknown}, which are no columns of ours: {', '.join((*KEY, SECTOR, *FIELDS))}."
        )
