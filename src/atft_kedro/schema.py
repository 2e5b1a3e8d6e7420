"""Every column name, and which column of an ML dataset is what."""

import math
import re
from typing import Annotated, Any, Literal

import polars as pl
from pydantic import BeforeValidator, Field, PlainSerializer, field_validator

from .params import InputError, Params, Unique, list_names

DATE, CODE, SECTOR = "date", "code", "sector"
OPEN, HIGH, LOW, CLOSE, VOLUME, VWAP = "open", "high", "low", "close", "volume", "vwap"
KEY = (DATE, CODE)
PRICES = (OPEN, HIGH, LOW, CLOSE)
QUOTES = (*PRICES, VOLUME)
TARGET = "target_{h}d"
HORIZONS = (1, 5, 10, 20)
ELIGIBLE = "eligible"
GRAPH_DATE, NEIGHBOUR, RANK = "graph_date", "neighbour", "rank"
CORRELATION, SAME_SECTOR, SIZE_SIMILARITY = "correlation", "same_sector", "size_similarity"
FORECAST, HORIZON, SPLIT = "forecast", "horizon", "split"
ENTRY_LAG = "entry_lag"
FORECASTER, REALISED = "forecaster", "target"
MEMBER_PREFIX = "seed "  # and its number: the forecaster that is one network of a run
EDGE_ATTRIBUTES = (CORRELATION, SAME_SECTOR, SIZE_SIMILARITY)

Entry = Literal["same_close", "next_close"]
ENTRY_LAGS: dict[Entry, int] = {"same_close": 0, "next_close": 1}  # the entry lags that every score is shown for

Horizons = Annotated[tuple[Annotated[int, Field(gt=0)], ...], Field(min_length=1), Unique]


def _parse_horizon(key: object) -> object:
    """Parse ``h5`` to 5; integers pass."""
    if isinstance(key, str):
        if not re.fullmatch(r"h[1-9]\d*", key):
            raise ValueError("must be h and a number of days, as in h5")
        return int(key[1:])
    return key


HorizonKey = Annotated[  # a horizon that is a key in JSON and in conf/: 5 is written h5
    int,
    BeforeValidator(_parse_horizon),
    PlainSerializer(lambda horizon: f"h{horizon}", return_type=str, when_used="json"),
]


def target(horizon: int) -> str:
    """Name the column of the return over the next ``horizon`` observations."""
    return TARGET.format(h=horizon)


def oracle_column(horizon: int, entry_lag: int) -> str:
    """Name the column of the oracle's expected return over ``horizon`` observations, entered ``entry_lag`` later."""
    return f"oracle_{horizon}d" + (f"_lag{entry_lag}" if entry_lag else "")


class ColumnParams(Params):
    """What an ML dataset calls our columns; ``target`` holds ``{h}`` where the horizon stands.

    With ``sector`` null the dataset counts as one without sectors, whatever columns it has.
    """

    date: str = DATE
    code: str = CODE
    sector: str | None = SECTOR
    target: str = TARGET
    open: str = OPEN
    high: str = HIGH
    low: str = LOW
    close: str = CLOSE
    volume: str = VOLUME
    ignore: tuple[str, ...] = ()

    @field_validator("target")
    @classmethod
    def _names_its_horizon(cls, value: str) -> str:
        if value.count("{h}") != 1:
            raise ValueError("must hold {h} once, the place of the horizon, as in target_{h}d")
        return value

    def ours(self) -> dict[str, str]:
        """Map each of their names to ours, targets aside."""
        names = (DATE, CODE, SECTOR, *QUOTES)
        return {theirs: name for name in names if (theirs := getattr(self, name)) is not None}


def map_columns(frame: pl.LazyFrame, columns: ColumnParams) -> pl.LazyFrame:
    """Give an ML dataset our column names and a ``Date`` column, lazily.

    Its targets are all columns that fit ``columns.target`` with a whole number of days.
    """
    _require_mapped(frame.collect_schema(), columns)
    frame = frame.drop(columns.ignore)
    if columns.sector is None:
        frame = frame.drop(SECTOR, strict=False)
    schema = frame.collect_schema()
    renames = {theirs: ours for theirs, ours in columns.ours().items() if theirs in schema}
    renames |= {name: target(days) for name in schema if (days := _horizon_of(name, columns.target))}
    if len(set(renames.values())) < len(renames):
        raise InputError(f"Two columns of the ML dataset claim one name under `columns:`: {renames}.")
    _require_types(schema, renames)
    kept = [theirs for theirs in schema if theirs in renames or theirs not in renames.values()]
    frame = frame.select(kept).rename(renames)
    return _adopt_types(frame)


def _adopt_types(frame: pl.LazyFrame) -> pl.LazyFrame:
    """Make dates Date, codes text and decimals floats; a column that is so already stays as the file has it."""
    ours = frame.collect_schema()
    if ours[CODE] != pl.String:
        frame = frame.with_columns(code_text(pl.col(CODE)))
    if ours[DATE] != pl.Date:
        frame = frame.with_columns(pl.col(DATE).dt.date())
    decimals = [name for name, dtype in ours.items() if dtype.is_decimal() and name != CODE]
    return frame.with_columns(pl.col(decimals).cast(pl.Float64)) if decimals else frame


def code_text(code: pl.Expr) -> pl.Expr:
    """Write codes as text; one that a column of floats holds as 1301.0 is 1301, and an empty one is unknown."""
    text = code.cast(pl.String).str.strip_chars().str.replace(r"^(\d+)\.0+$", "$1")
    return pl.when(~text.is_in(["", "NaN"])).then(text)


def iso_day(text: pl.Expr) -> pl.Expr:
    """Read the day that ISO text begins with, whatever time or zone follows it; null in other text."""
    day = text.str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False)
    return pl.when(text.str.contains(r"^\d{4}-\d{2}-\d{2}($|[T ])")).then(day)


def plain_rows(table: pl.DataFrame) -> list[dict[str, Any]]:
    """Write rows as JSON can hold them: dates, NaN and infinities as text."""
    rows = table.with_columns(pl.selectors.date().cast(pl.String)).to_dicts()
    return [
        {
            name: str(value) if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in row.items()
        }
        for row in rows
    ]


def _require_mapped(schema: pl.Schema, columns: ColumnParams) -> None:
    """Refuse a dataset without its keys, or without a column that ``columns`` names in words of its own."""
    named = {theirs: ours for theirs, ours in columns.ours().items() if theirs != ours or ours in KEY}
    missing = [theirs for theirs in (*named, *columns.ignore) if theirs not in schema]
    if missing:
        raise InputError(
            f"The ML dataset has no column {missing}; it has {list_names(schema.names())}. "
            "Say under `columns:` in conf/ what they are called."
        )


def _require_types(schema: pl.Schema, renames: dict[str, str]) -> None:
    """Refuse dates that are no dates, and prices and targets that are no numbers."""
    for theirs, ours in renames.items():
        dtype = schema[theirs]
        if ours == DATE and dtype != pl.Date and not isinstance(dtype, pl.Datetime):
            raise InputError(f"The ML dataset's date column {theirs!r} is {dtype}, no date: convert it in the source.")
        if ours not in (DATE, CODE, SECTOR) and not dtype.is_numeric():
            raise InputError(f"The ML dataset's column {theirs!r} is {dtype}, not a number: convert it in the source.")


def feature_columns(schema: pl.Schema) -> list[str]:
    """Name the features: every float that is no key, no raw price and no target.

    Decided by role and type; a target can never be a feature.
    """
    roles = {DATE, CODE, SECTOR, *QUOTES, VWAP}
    return [
        name
        for name, dtype in schema.items()
        if dtype.is_float() and name not in roles and name not in target_columns(schema)
    ]


def target_columns(schema: pl.Schema) -> dict[str, int]:
    """Map the dataset's target columns to their horizons, shortest first."""
    found = {name: days for name in schema if (days := _horizon_of(name, TARGET))}
    return dict(sorted(found.items(), key=lambda item: item[1]))


def target_span(frame: pl.LazyFrame, entry_lag: int) -> int:
    """Say how many days an ML dataset's targets look ahead at most."""
    horizons = target_columns(frame.collect_schema()).values()
    if not horizons:
        raise InputError(
            f"The ML dataset has no target: a column named as {TARGET!r} says, or as `columns.target` does."
        )
    return max(horizons) + entry_lag


def _horizon_of(name: str, template: str) -> int:
    head, tail = template.split("{h}")
    middle = name[len(head) : len(name) - len(tail)]
    fits = name.startswith(head) and name.endswith(tail) and middle.isdecimal()
    return int(middle) if fits else 0
