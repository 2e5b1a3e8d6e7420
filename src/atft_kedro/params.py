"""The base of every parameter model, the error that a user's input raises, and short lists for it."""

from collections.abc import Iterable
from typing import Annotated, Any
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict


class Params(BaseModel):
    """A frozen block of ``conf/``: an unknown key is an error, not a no-op."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class InputError(ValueError):
    """People's data or configuration is at fault; the message is the whole answer."""


def list_names(names: Iterable[object], most: int = 12, separator: str = ", ") -> str:
    """Join the first names for a message, and count the others."""
    texts = [str(name) for name in names]
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return separator.join(texts[:most]) + more


def _require_each_once(values: tuple[Any, ...]) -> tuple[Any, ...]:
    twice = [value for place, value in enumerate(values) if value in values[:place]]
    if twice:
        raise ValueError(f"must name each once, and names {twice[0]} more often")
    return values


Unique = AfterValidator(_require_each_once)


def _require_time_zone(value: str) -> str:
    if value not in available_timezones():
        raise ValueError("no such time zone; they are called like America/New_York")
    return value


TimeZone = Annotated[str, AfterValidator(_require_time_zone)]
