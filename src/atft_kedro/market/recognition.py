"""Recognising the columns of a price file by what they hold, whatever they are called."""

import itertools

import numpy as np
import polars as pl
import yaml
from numpy.typing import NDArray

from ..schema import CLOSE, CODE, DATE, HIGH, LOW, OPEN, VOLUME
from .columns import plain_name
from .parse_cells import known

DATE_TEXT = r"^\d{1,4}\D{1,2}\d{1,2}\D{1,2}\d{1,4}($|\D)|^(19|20)\d{2}[01]\d[0-3]\d$"
ROWS, COLUMNS = 1000, 30  # the first ones, which show what a file holds
MOST_NUMBERS = 12  # numeric columns: a file of one stock has few, a file with a column per stock has many
FEWEST_DAYS = 10
HOLDS = 0.98  # share of the days on which the high is the highest and the low the lowest price
WIDEST = 1.5  # high over low on the median day
STEADY = 0.2  # change of a day's spread over the spread: about 0.45 in one stock's files, 0.04 between two stocks
WORDS = {
    **dict.fromkeys(("last", "last_price", "price", "px_last", "close_price", "closing_price", "settle"), CLOSE),
    **dict.fromkeys(("vol", "volumen", "shares_traded"), VOLUME),
}
Numbers = NDArray[np.float64]


def take_sample(frame: pl.LazyFrame) -> pl.DataFrame:
    """Read the first rows of the first columns."""
    return frame.select(frame.collect_schema().names()[:COLUMNS]).head(ROWS).collect()


def recognise_columns(sample: pl.DataFrame) -> dict[str, str]:
    """Recognise date, prices, volume and code in a file's first rows; the result maps our names to theirs.

    The high is the highest of four prices, the low the lowest; the open is near the close of the day before; the
    volume is whole. The result is empty unless all of them are found; only the code may be missing.
    """
    date = next(iter(date_columns(sample)), None)
    names = [column.name for column in sample.iter_columns() if column.name != date and _is_numeric(column)]
    if date is None or len(names) > MOST_NUMBERS:
        return {}
    values = sample.select(_numbers(sample[name]) for name in names).to_numpy()
    places = _find_prices(values[::-1] if _is_newest_first(sample[date]) else values)
    found = {DATE: date, **{ours: names[place] for ours, place in places.items()}}
    code = _find_code(sample, found)
    free = [place for place, name in enumerate(names) if name not in (code, *found.values())]
    volume = _find_volume(values, places, free) if places else None
    if volume is None:
        return {}
    return ({} if code is None else {CODE: code}) | found | {VOLUME: names[volume]}


def advise_mapping(sample: pl.DataFrame) -> str:
    """Format where to write a column mapping, and the mapping where the columns are recognised."""
    place = "in the catalog entry `prices` (conf/files/catalog.yml, where the run has `--env files`)"
    found = recognise_columns(sample)
    if found:
        return f"They look like dates, prices and volumes: map your columns {place}: {format_mapping(found)}"
    texts = [name for name in text_columns(sample) if name not in date_columns(sample)]
    example = dict(zip((CODE,), texts, strict=False)) | {CLOSE: "Last"}
    example |= {ours: name for name in sample.columns if (ours := WORDS.get(plain_name(name)))}
    return f"Map your columns {place}, for example: {format_mapping(example)}"


def format_mapping(mapping: dict[str, str]) -> str:
    """Write a column mapping as the line of YAML that a catalog entry takes."""
    line = yaml.safe_dump(mapping, default_flow_style=True, allow_unicode=True, sort_keys=False, width=10_000)
    return f"columns: {line.strip()}"


def date_columns(sample: pl.DataFrame) -> list[str]:
    """Name the columns whose cells look like dates."""
    return [column.name for column in sample.iter_columns() if _looks_like_dates(column)]


def text_columns(sample: pl.DataFrame) -> list[str]:
    """Name the columns that hold mostly text that is no number."""
    return [column.name for column in sample.iter_columns() if _is_text(column)]


def _text(column: pl.Series) -> pl.Series:
    """Return the known cells of a column as text."""
    return pl.select(known(pl.lit(column.cast(pl.String)))).to_series().drop_nulls()


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
    """Compare the first date with the last one; by the year where the text ends with it."""
    ends = [str(dates[0]), str(dates[-1])]
    begins_with_year = all(end[:4].isdecimal() for end in ends)
    first, last = ends if begins_with_year else [end[-4:] for end in ends]
    return first > last


def _find_prices(values: Numbers) -> dict[str, int]:
    """Find the first four columns that move as open, high, low and close do; the rows are in the order of time."""
    for four in itertools.combinations(range(values.shape[1]), 4):
        quotes = values[:, four]
        order = _order_quotes(quotes[(quotes > 0).all(axis=1)])
        if order is not None:
            return {name: four[place] for name, place in zip((OPEN, HIGH, LOW, CLOSE), order, strict=True)}
    return {}


def _order_quotes(quotes: Numbers) -> tuple[int, int, int, int] | None:
    """Identify open, high, low and close among four columns; None where they cannot be."""
    if len(quotes) < FEWEST_DAYS:
        return None
    highest = (quotes == quotes.max(axis=1, keepdims=True)).mean(axis=0)
    lowest = (quotes == quotes.min(axis=1, keepdims=True)).mean(axis=0)
    high, low = int(highest.argmax()), int(lowest.argmax())
    if high == low or min(highest[high], lowest[low]) < HOLDS or np.median(quotes[:, high] / quotes[:, low]) > WIDEST:
        return None
    one, other = (place for place in range(4) if place not in (high, low))
    rises = float((quotes[:, other] > quotes[:, one]).mean()), float((quotes[:, other] < quotes[:, one]).mean())
    if min(rises) < 1 - HOLDS:
        return None
    spread = np.log(quotes[:, high] / quotes[:, low])
    if np.abs(np.diff(spread)).mean() < STEADY * spread.mean():
        return None
    logs = np.log(quotes)
    gaps = [float(np.abs(logs[1:, start] - logs[:-1, end]).mean()) for start, end in ((one, other), (other, one))]
    return (one, high, low, other) if gaps[0] <= gaps[1] else (other, high, low, one)


def _find_volume(values: Numbers, prices: dict[str, int], free: list[int]) -> int | None:
    """Find the first whole column that changes; rather one whose product with the price is a column too."""
    values = np.where(np.isnan(values), 0.0, values)
    low, high = values[:, prices[LOW]], values[:, prices[HIGH]]
    whole = [place for place in free if _counts_something(values[:, place])]

    def has_product(place: int) -> bool:
        volume = values[:, place]
        within = [
            (values[:, other] >= 0.99 * low * volume) & (values[:, other] <= 1.01 * high * volume) for other in whole
        ]
        return any(each[volume > 0].mean() > HOLDS for each in within)

    return next(filter(has_product, whole), next(iter(whole), None))


def _counts_something(column: Numbers) -> bool:
    return bool((column == np.round(column)).all() and 0 <= column.min() < column.max())


def _find_code(sample: pl.DataFrame, found: dict[str, str]) -> str | None:
    """Find the column that tells the rows of one date apart, or one that never changes where no date repeats."""
    date = found[DATE]
    others = [name for name in sample.columns if name not in found.values()]
    free = [name for name in others if not (_numbers(sample[name]) % 1 != 0).any()]
    if not sample[date].is_duplicated().any():
        return next((name for name in free if sample[name].n_unique() == 1), None)
    apart = [name for name in free if not sample.select(date, name).is_duplicated().any()]
    return min(apart, key=lambda name: sample[name].n_unique(), default=None)
