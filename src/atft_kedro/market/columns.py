"""Columns of price files: found by name, by a mapping, or by their values."""

import itertools
from collections import Counter
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import polars as pl
import yaml
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field

from ..params import InputError, Params, list_names
from ..schema import CLOSE, CODE, DATE, HIGH, KEY, LOW, OPEN, QUOTES, SECTOR, VOLUME, VWAP
from .parse_cells import DateFormat, strip_text

ADJUSTED_CLOSE = "adjusted_close"
ADJUSTMENT_FACTOR = "adjustment_factor"  # of a day: the prices of all days before it are multiplied by it
FIELDS = (*QUOTES, VWAP, ADJUSTED_CLOSE, ADJUSTMENT_FACTOR)
Layout = Literal["auto", "long", "per_stock", "wide"]
DATE_TEXT = r"^\d{1,4}\D{1,2}\d{1,2}\D{1,2}\d{1,4}($|\D)|^(19|20)\d{2}[01]\d[0-3]\d$"
ROWS, COLUMNS = 1000, 30  # of a file that are read to recognise its columns
MAX_NUMERIC = 12  # numeric columns of a file of one stock; a file with a column per stock has more
MIN_DAYS = 10
MIN_SHARE = 0.98  # share of the days on which the high is the highest and the low the lowest price
MAX_RANGE = 1.5  # high over low on the median day
# Mean change of the log of high over low from day to day, relative to its mean: about 0.45 for one stock, 0.04 for
# columns of several stocks.
MIN_CHANGE = 0.2
SYNONYMS = {
    **dict.fromkeys(("last", "last_price", "price", "px_last", "close_price", "closing_price", "settle"), CLOSE),
    **dict.fromkeys(("vol", "volumen", "shares_traded"), VOLUME),
}
Numbers = NDArray[np.float64]


class PriceFileParams(Params):
    """Layout, column names and date format of a user's price files.

    ``columns`` maps the project's names (date, code, open, high, low, close, volume; optional: sector, vwap, and
    adjusted_close or adjustment_factor) to the file's. A name that is not mapped is searched for without regard to
    case. ``extra`` names further columns to read as numbers, if the files have them.
    """

    columns: dict[str, str] = Field(default_factory=dict)
    layout: Layout = "auto"
    dates: DateFormat = DateFormat()
    extra: Annotated[tuple[str, ...], BeforeValidator(tuple)] = ()  # the keys of a mapping


def find_columns(names: list[str], params: PriceFileParams, file: Path) -> dict[str, str]:
    """Map the project's column names to the columns ``names`` of ``file``."""
    plain = {plain_name(name): name for name in names}
    if "adj_close" in plain and plain["adj_close"] not in params.columns.values():
        plain.setdefault(ADJUSTED_CLOSE, plain["adj_close"])
    found = {
        name: plain[name] for name in (DATE, CODE, SECTOR, *FIELDS, *params.extra) if name in plain
    } | params.columns
    repeated = [column for column in found.values() if list(found.values()).count(column) > 1]
    ambiguous = [plain[name] for name, count in Counter(map(plain_name, names)).items() if count > 1]
    if repeated or any(column in ambiguous for column in found.values()):
        raise InputError(
            f"{file}: several columns could be {(repeated or ambiguous)[0]!r}: map each column to a different one."
        )
    absent = {name: column for name, column in params.columns.items() if column not in names}
    if absent:
        named = ", ".join(f"{name} → {column!r}" for name, column in absent.items())
        raise InputError(
            f"{file}: the column mapping names columns that the file lacks: {named}. The file has {list_names(names)}."
        )
    return found


def plain_name(name: str) -> str:
    """Return a column's name in lower case, with ``_`` for blanks."""
    return name.strip().lower().replace(" ", "_")


def require_known(params: PriceFileParams) -> None:
    """Refuse a mapping of unknown names."""
    known = (*KEY, SECTOR, *FIELDS, *params.extra)
    unknown = sorted(set(params.columns) - {*known})
    if unknown:
        raise InputError(f"`columns:` maps {unknown}, which are not known columns: {', '.join(known)}.")


def read_sample(frame: pl.LazyFrame) -> pl.DataFrame:
    """Read the first rows of the first columns."""
    return frame.select(frame.collect_schema().names()[:COLUMNS]).head(ROWS).collect()


def recognise_columns(sample: pl.DataFrame) -> dict[str, str]:
    """Map the project's names to columns recognised by their values in a file's first rows.

    The high is the highest of four prices, the low the lowest; the open is near the close of the day before; the
    volume has integers. The result is empty unless all but the code are found.
    """
    date = next(iter(date_columns(sample)), None)
    names = [column.name for column in sample.iter_columns() if column.name != date and _is_numeric(column)]
    if date is None or len(names) > MAX_NUMERIC:
        return {}
    values = sample.select(_numbers(sample[name]) for name in names).to_numpy()
    prices = _find_prices(values[::-1] if _is_newest_first(sample[date]) else values)
    found = {DATE: date, **{name: names[index] for name, index in prices.items()}}
    code = _find_code(sample, found)
    free = [index for index, name in enumerate(names) if name not in (code, *found.values())]
    volume = _find_volume(values, prices, free) if prices else None
    if volume is None:
        return {}
    return ({} if code is None else {CODE: code}) | found | {VOLUME: names[volume]}


def advise_mapping(sample: pl.DataFrame) -> str:
    """Format advice on a column mapping, with the mapping if the columns are recognised."""
    location = "in the catalog entry `prices` (conf/files/catalog.yml, where the run has `--env files`)"
    found = recognise_columns(sample)
    if found:
        return f"They look like dates, prices and volumes: map your columns {location}: {format_mapping(found)}"
    texts = [name for name in text_columns(sample) if name not in date_columns(sample)]
    example = dict(zip((CODE,), texts, strict=False)) | {CLOSE: "Last"}
    example |= {field: name for name in sample.columns if (field := SYNONYMS.get(plain_name(name)))}
    return f"Map your columns {location}, for example: {format_mapping(example)}"


def format_mapping(mapping: dict[str, str]) -> str:
    """Format a column mapping as a YAML line for a catalog entry."""
    line = yaml.safe_dump(mapping, default_flow_style=True, allow_unicode=True, sort_keys=False, width=10_000)
    return f"columns: {line.strip()}"


def date_columns(sample: pl.DataFrame) -> list[str]:
    """List the columns whose cells look like dates."""
    return [column.name for column in sample.iter_columns() if _looks_like_dates(column)]


def text_columns(sample: pl.DataFrame) -> list[str]:
    """List the columns with mostly text other than numbers."""
    return [column.name for column in sample.iter_columns() if _is_text(column)]


def _text(column: pl.Series) -> pl.Series:
    """Return the known cells of a column as text."""
    return pl.select(strip_text(pl.lit(column.cast(pl.String)))).to_series().drop_nulls()


def _numbers(column: pl.Series) -> pl.Series:
    return (
        column.str.strip_chars().cast(pl.Float64, strict=False)
        if column.dtype == pl.String
        else column.cast(pl.Float64)
    )


def _is_text(column: pl.Series) -> bool:
    text = _text(column) if column.dtype == pl.String else column.clear()
    return bool(len(text)) and 2 * _numbers(text).null_count() > len(text)


def _looks_like_dates(column: pl.Series) -> bool:
    if column.dtype in (pl.Date, pl.Datetime):
        return True
    text = _text(column) if column.dtype == pl.String or column.dtype.is_integer() else column.clear()
    return bool(len(text)) and text.cast(pl.String).str.contains(DATE_TEXT).all()


def _is_numeric(column: pl.Series) -> bool:
    if column.dtype != pl.String:
        return column.dtype.is_numeric()
    text = _text(column)
    return bool(len(text)) and not _numbers(text).has_nulls()


def _is_newest_first(dates: pl.Series) -> bool:
    """Compare the first date with the last one; by the year for text that ends with it."""
    ends = [str(dates[0]), str(dates[-1])]
    begins_with_year = all(end[:4].isdecimal() for end in ends)
    first, last = ends if begins_with_year else [end[-4:] for end in ends]
    return first > last


def _find_prices(values: Numbers) -> dict[str, int]:
    """Find the first four columns that behave like open, high, low and close, oldest row first."""
    for four in itertools.combinations(range(values.shape[1]), 4):
        quotes = values[:, four]
        order = _order_quotes(quotes[(quotes > 0).all(axis=1)])
        if order is not None:
            return {name: four[index] for name, index in zip((OPEN, HIGH, LOW, CLOSE), order, strict=True)}
    return {}


def _order_quotes(quotes: Numbers) -> tuple[int, int, int, int] | None:
    """Return the indices of open, high, low and close; None if four columns are not these.

    The high is the largest on nearly all days, the low the smallest. The open is nearer to the previous close than the
    close is to the previous open.
    """
    if len(quotes) < MIN_DAYS:
        return None
    highest = (quotes == quotes.max(axis=1, keepdims=True)).mean(axis=0)
    lowest = (quotes == quotes.min(axis=1, keepdims=True)).mean(axis=0)
    high, low = int(highest.argmax()), int(lowest.argmax())
    if (
        high == low
        or min(highest[high], lowest[low]) < MIN_SHARE
        or np.median(quotes[:, high] / quotes[:, low]) > MAX_RANGE
    ):
        return None
    first, second = (index for index in range(4) if index not in (high, low))
    up, down = quotes[:, second] > quotes[:, first], quotes[:, second] < quotes[:, first]
    if min(up.mean(), down.mean()) < 1 - MIN_SHARE:
        return None
    spread = np.log(quotes[:, high] / quotes[:, low])
    if np.abs(np.diff(spread)).mean() < MIN_CHANGE * spread.mean():
        return None
    logs = np.log(quotes)
    gaps = [float(np.abs(logs[1:, start] - logs[:-1, end]).mean()) for start, end in ((first, second), (second, first))]
    return (first, high, low, second) if gaps[0] <= gaps[1] else (second, high, low, first)


def _find_volume(values: Numbers, prices: dict[str, int], free: list[int]) -> int | None:
    """Find a column of varying integers, preferably one whose product with the price is a column."""
    values = np.where(np.isnan(values), 0.0, values)
    low, high = values[:, prices[LOW]], values[:, prices[HIGH]]
    whole = [index for index in free if _has_varying_integers(values[:, index])]

    def has_product(index: int) -> bool:
        """Check whether another column is this one times the price."""
        volume = values[:, index]
        within = [
            (values[:, other] >= 0.99 * low * volume) & (values[:, other] <= 1.01 * high * volume) for other in whole
        ]
        return any(rows[volume > 0].mean() > MIN_SHARE for rows in within)

    return next(filter(has_product, whole), next(iter(whole), None))


def _has_varying_integers(column: Numbers) -> bool:
    return bool((column == np.round(column)).all() and 0 <= column.min() < column.max())


def _find_code(sample: pl.DataFrame, found: dict[str, str]) -> str | None:
    """Find the column that distinguishes rows of one date, or a constant one if no date repeats."""
    date = found[DATE]
    others = [name for name in sample.columns if name not in found.values()]
    free = [name for name in others if not (_numbers(sample[name]) % 1 != 0).any()]
    if not sample[date].is_duplicated().any():
        return next((name for name in free if sample[name].n_unique() == 1), None)
    distinguishing = [name for name in free if not sample.select(date, name).is_duplicated().any()]
    return min(distinguishing, key=lambda name: sample[name].n_unique(), default=None)
