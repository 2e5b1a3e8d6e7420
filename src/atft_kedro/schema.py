"""Column names of all tables, and the roles of an ML dataset's columns."""

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
AVAILABLE_FROM = "available_from"  # the first day at whose close the values of a row are known
DELISTING_RETURN = "return"  # of a delisted stock, from its last close to what its owner received
DELISTING_DATE = "delisting_date"  # the day on which it is earned; in the rows whose targets contain it
FORECASTER, REALISED = "forecaster", "target"
MEMBER_PREFIX = "seed "  # forecaster of one ensemble member; its seed follows
EDGE_ATTRIBUTES = (CORRELATION, SAME_SECTOR, SIZE_SIMILARITY)

Entry = Literal["same_close", "next_close"]
ENTRY_LAGS: dict[Entry, int] = {"same_close": 0, "next_close": 1}  # every score is computed for both

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
    """Return the name of the column with the return over ``horizon`` observations."""
    return TARGET.format(h=horizon)


def oracle_column(horizon: int, entry_lag: int) -> str:
    """Return the name of the oracle's column of expected returns."""
    return f"oracle_{horizon}d" + (f"_lag{entry_lag}" if entry_lag else "")


class ColumnParams(Params):
    """Column names of an ML dataset; ``target`` contains ``{h}`` for the horizon.

    With ``sector: null`` the dataset has no sectors, whatever columns it has.
    """

    date: str
    code: str
    sector: str | None
    target: str
    open: str
    high: str
    low: str
    close: str
    volume: str
    ignore: tuple[str, ...]

    @field_validator("target")
    @classmethod
    def _has_one_horizon(cls, value: str) -> str:
        if value.count("{h}") != 1:
            raise ValueError("must contain {h} once, where the horizon is, as in target_{h}d")
        return value

    def map_names(self) -> dict[str, str]:
        """Map the dataset's column names to the project's, without targets."""
        names = (DATE, CODE, SECTOR, *QUOTES)
        return {mapped: name for name in names if (mapped := getattr(self, name)) is not None}


def map_columns(frame: pl.LazyFrame, columns: ColumnParams) -> pl.LazyFrame:
    """Rename an ML dataset's columns to the project's names and cast dates, codes and decimals.

    Targets are all columns that match ``columns.target`` with an integer horizon.
    """
    _require_mapped(frame.collect_schema(), columns)
    frame = frame.drop(columns.ignore)
    if columns.sector is None:
        frame = frame.drop(SECTOR, strict=False)
    schema = frame.collect_schema()
    renames = {mapped: name for mapped, name in columns.map_names().items() if mapped in schema}
    renames |= {name: target(days) for name in schema if (days := _parse_target(name, columns.target))}
    renames |= {name: name for name in (DELISTING_DATE,) if name in schema}
    if len(set(renames.values())) < len(renames):
        raise InputError(f"`columns:` maps two columns of the ML dataset to one name: {renames}.")
    _require_types(schema, renames)
    replaced = set(renames.values())
    frame = frame.select(name for name in schema if name in renames or name not in replaced).rename(renames)
    return _cast_types(frame)


def _cast_types(frame: pl.LazyFrame) -> pl.LazyFrame:
    """Cast dates to Date, codes to text, decimals to Float64; leave other columns unchanged."""
    schema = frame.collect_schema()
    if schema[CODE] != pl.String:
        frame = frame.with_columns(code_text(pl.col(CODE)))
    days = [name for name in (DATE, DELISTING_DATE) if isinstance(schema.get(name), pl.Datetime)]
    frame = frame.with_columns(pl.col(days).dt.date()) if days else frame
    decimals = [name for name, dtype in schema.items() if dtype.is_decimal() and name != CODE]
    return frame.with_columns(pl.col(decimals).cast(pl.Float64)) if decimals else frame


def code_text(code: pl.Expr) -> pl.Expr:
    """Cast codes to text: 1301.0 in a column of floats is 1301, an empty code is null."""
    text = code.cast(pl.String).str.strip_chars().str.replace(r"^(\d+)\.0+$", "$1")
    return pl.when(~text.is_in(["", "NaN"])).then(text)


def iso_day(text: pl.Expr) -> pl.Expr:
    """Parse the day at the start of ISO text, with or without a time; null for other text."""
    day = text.str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False)
    return pl.when(text.str.contains(r"^\d{4}-\d{2}-\d{2}($|[T ])")).then(day)


def plain_rows(table: pl.DataFrame) -> list[dict[str, Any]]:
    """Convert rows for JSON: dates, NaN and infinities become text."""
    rows = table.with_columns(pl.selectors.date().cast(pl.String)).to_dicts()
    return [
        {
            name: str(value) if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in row.items()
        }
        for row in rows
    ]


def _require_mapped(schema: pl.Schema, columns: ColumnParams) -> None:
    """Refuse a dataset without its keys or without a column that ``columns`` renames."""
    required = [mapped for mapped, name in columns.map_names().items() if mapped != name or name in KEY]
    missing = [name for name in (*required, *columns.ignore) if name not in schema]
    if missing:
        raise InputError(
            f"The ML dataset has no column {missing}; it has {list_names(schema.names())}. "
            "Set the names of its columns under `columns:` in conf/."
        )


def _require_types(schema: pl.Schema, renames: dict[str, str]) -> None:
    """Refuse date columns without dates, and prices and targets without numbers."""
    for mapped, name in renames.items():
        dtype = schema[mapped]
        if name in (DATE, DELISTING_DATE) and dtype != pl.Date and not isinstance(dtype, pl.Datetime):
            raise InputError(
                f"The ML dataset's date column {mapped!r} is {dtype}, not a date: convert it in the source."
            )
        if name not in (DATE, DELISTING_DATE, CODE, SECTOR) and not dtype.is_numeric():
            raise InputError(f"The ML dataset's column {mapped!r} is {dtype}, not a number: convert it in the source.")


def feature_columns(schema: pl.Schema) -> list[str]:
    """List the features: all floats except keys, raw prices and targets."""
    reserved = {DATE, CODE, SECTOR, *QUOTES, VWAP, *target_columns(schema)}
    return [name for name, dtype in schema.items() if dtype.is_float() and name not in reserved]


def target_columns(schema: pl.Schema) -> dict[str, int]:
    """Map the target columns to their horizons, shortest first."""
    horizons = {name: days for name in schema if (days := _parse_target(name, TARGET))}
    return dict(sorted(horizons.items(), key=lambda item: item[1]))


def target_span(frame: pl.LazyFrame, entry_lag: int) -> int:
    """Return how many days ahead the longest target of an ML dataset ends."""
    horizons = target_columns(frame.collect_schema()).values()
    if not horizons:
        raise InputError(
            f"The ML dataset has no target: no column is named like {TARGET!r}, or as `columns.target` defines."
        )
    return max(horizons) + entry_lag


def _parse_target(name: str, template: str) -> int:
    """Return the horizon in a target's name; 0 for any other column."""
    head, tail = template.split("{h}")
    middle = name[len(head) : len(name) - len(tail)]
    return int(middle) if name.startswith(head) and name.endswith(tail) and middle.isdecimal() else 0
