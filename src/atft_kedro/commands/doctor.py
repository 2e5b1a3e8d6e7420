"""``kedro atft doctor``: check the installation, the machine and the project."""

import json
import sys
from collections import Counter
from contextlib import redirect_stdout
from typing import Any

import click
from kedro.framework.startup import ProjectMetadata
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from ..checks import CheckResult, Severity, find_worst
from ..doctor.run_checks import check_machine, check_project
from .command_helpers import project_options
from .console import make_console

SEVERITY_TITLES: dict[Severity, str] = {"ok": "ok", "skipped": "skipped", "warn": "warnings", "error": "errors"}
SEVERITY_STYLES = {"ok": "green", "skipped": "dim", "warn": "yellow", "error": "bold red"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON only.")
@project_options
def doctor(metadata: ProjectMetadata, as_json: bool, env: str | None, params: dict[str, Any]) -> None:
    """Check packages, machine, configuration, folders, tracking, runs, data and stages.

    The exit code is 1 if a check reports an error.
    """
    with redirect_stdout(sys.stderr):  # libraries may print; stdout is for the result only
        checks = [*check_machine(metadata.project_path), *check_project(metadata.project_path, env, params)]
    worst = find_worst(check.severity for check in checks)
    if as_json:
        report = {"severity": worst, "checks": [check.model_dump(mode="json") for check in checks]}
        click.echo(json.dumps(report, indent=2))
    else:
        make_console().print(render_checks(checks))
    sys.exit(1 if worst == "error" else 0)


def render_checks(checks: list[CheckResult]) -> Table:
    """Render one row per check, and below them the number of checks by severity."""
    counts = Counter(check.severity for check in checks)
    caption = ", ".join(f"{title}: {counts[severity]}" for severity, title in SEVERITY_TITLES.items())
    table = Table("severity", "check", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), caption=caption)
    for header in ("result", "what to do"):
        table.add_column(header, overflow="fold")
    for check in checks:
        cells = (check.name, check.message, "; ".join(check.advice))
        table.add_row(Text(check.severity, SEVERITY_STYLES[check.severity]), *map(Text, cells))
    return table
