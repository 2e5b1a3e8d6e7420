"""The result of a check; `guard/`, `doctor/` and `diagnosis/` use it."""

from collections.abc import Iterable
from typing import Literal, Self, get_args

from .params import Params

Severity = Literal["ok", "skipped", "warn", "error"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)  # from best to worst; skipped: the check was not possible


class CheckResult(Params):
    """The result of one check, with advice if something should be done."""

    name: str
    severity: Severity
    message: str
    advice: tuple[str, ...] = ()

    @classmethod
    def ok(cls, name: str, message: str) -> Self:
        """Create a result that needs no action."""
        return cls(name=name, severity="ok", message=message)

    @classmethod
    def warn(cls, name: str, message: str, *advice: str) -> Self:
        """Create a result that may become a problem."""
        return cls(name=name, severity="warn", message=message, advice=advice)

    @classmethod
    def error(cls, name: str, message: str, *advice: str) -> Self:
        """Create a result that must be corrected."""
        return cls(name=name, severity="error", message=message, advice=advice)


def find_worst(severities: Iterable[Severity]) -> Severity:
    """Return the worst severity; ``ok`` for no severity at all."""
    return max(severities, key=SEVERITIES.index, default="ok")


def choose_severity(*conditions: tuple[bool, Severity]) -> Severity:
    """Return the worst severity whose condition is true; ``ok`` if none is."""
    return find_worst(severity for is_true, severity in conditions if is_true)
