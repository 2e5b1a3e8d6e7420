"""Base class of parameter models, the error for wrong input, and validators that models share."""

import difflib
from collections.abc import Iterable, Sequence
from typing import Annotated, Any
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict


class Params(BaseModel):
    """A frozen model of a block of ``conf/`` or of a result; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class InputError(ValueError):
    """An error in the user's data or configuration; commands print only its message."""

    exit_code = 1


class MissingPluginError(InputError):
    """A plug-in that is named, but not installed."""


def list_names(names: Iterable[object], most: int = 12, separator: str = ", ") -> str:
    """Join the first names for a message, and count the others."""
    texts = [str(name) for name in names]
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return separator.join(texts[:most]) + more


def suggest_name(name: str, known: Sequence[str]) -> str:
    """Return ``; did you mean …?`` with the most similar known name; empty if none is similar."""
    similar = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {similar[0]}?" if similar else ""


def batched(names: Sequence[str], size: int) -> list[Sequence[str]]:
    """Split names into groups of at most ``size``."""
    return [names[start : start + size] for start in range(0, len(names), size)]


def _split_text(value: object) -> object:
    """Accept a text such as "gat fan", and null for none, because ``--params`` cannot pass a list."""
    return (value or "").split() if isinstance(value, str | None) else value


TextList = BeforeValidator(_split_text)


def _require_unique(values: tuple[Any, ...]) -> tuple[Any, ...]:
    repeated = [value for index, value in enumerate(values) if value in values[:index]]
    if repeated:
        raise ValueError(f"must contain each value once; {repeated[0]} is repeated")
    return values


Unique = AfterValidator(_require_unique)


def _require_time_zone(value: str) -> str:
    if value not in available_timezones():
        raise ValueError("unknown time zone; names are like America/New_York")
    return value


TimeZone = Annotated[str, AfterValidator(_require_time_zone)]
