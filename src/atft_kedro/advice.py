"""Commands that messages advise: they repeat the environment and the parameters of the session."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .dotted_paths import flatten
from .workspaces import SIMULATED

OWN_DATASET = "dataset"  # the source whose runs start at the table ML_DATASET
ML_DATASET = "ml_dataset"
READS_DATASET = {
    "train",
    "predict",
    "monitor",
    "retrain",
    "hpo",
    "walk_forward",
}  # pipelines that begin with the prices


@dataclass
class SessionOptions:
    """The options ``--env`` and ``--params`` of the session; none outside a session."""

    env: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)  # nested
    source: str = SIMULATED


_session = SessionOptions()


def remember_session(env: str | None, params: Mapping[str, Any], source: str = SIMULATED) -> None:
    """Store the options and the source of the session for the commands that are advised."""
    _session.env, _session.params, _session.source = env, params, source


def advise_run(options: str = "", params: Mapping[str, Any] | None = None, mode: str = "") -> str:
    """Return a ``kedro run`` command for the session's source and parameters.

    ``params`` are dotted paths that are added; ``mode`` is an environment that is added.
    """
    environments = [name for name in (_session.env or "").split(",") if name not in {"", mode}] + [mode] * bool(mode)
    values = flatten(_session.params) | dict(params or {})
    texts = [f"{path}={_format_value(value)}" for path, value in values.items() if "," not in str(value)]
    _, _, pipelines = options.partition("--pipelines ")
    starts_at_dataset = _session.source == OWN_DATASET and (not pipelines or READS_DATASET & {*pipelines.split(",")})
    start = f"--from-inputs {ML_DATASET}" if starts_at_dataset else ""
    words = ("kedro run", f"--env {','.join(environments)}" if environments else "", options, start)
    given = f"--params {shlex.quote(','.join(texts))}" if texts else ""
    return " ".join(filter(None, (*words, given)))


def advise_command(command: str) -> str:
    """Return a command such as ``kedro atft promote RUN`` for the session's source."""
    _, _, options = advise_run().partition("kedro run")
    return f"kedro {command}{options.replace(f' --from-inputs {ML_DATASET}', '')}"


def _format_value(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else "null" if value is None else str(value)
