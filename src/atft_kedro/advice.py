"""Commands that messages advise: they repeat the environment and the parameters of the session."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .dotted_paths import flatten


@dataclass
class SessionOptions:
    """The options ``--env`` and ``--params`` of the session; none outside a session."""

    env: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)  # nested


_session = SessionOptions()


def remember_session(env: str | None, params: Mapping[str, Any]) -> None:
    """Store the options of the session, for the commands that its messages advise."""
    _session.env, _session.params = env, params


def advise_run(options: str = "", params: Mapping[str, Any] | None = None, mode: str = "") -> str:
    """Return a ``kedro run`` command for the session's source and parameters.

    ``params`` are dotted paths that are added; ``mode`` is an environment that is added.
    """
    environments = ",".join(filter(None, (_session.env, mode)))
    values = flatten(_session.params) | dict(params or {})
    texts = [f"{path}={_format_value(value)}" for path, value in values.items() if not isinstance(value, list | dict)]
    words = ("kedro run", f"--env {environments}" if environments else "", options)
    given = f"--params {shlex.quote(','.join(texts))}" if texts else ""
    return " ".join(filter(None, (*words, given)))


def _format_value(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else "null" if value is None else str(value)
