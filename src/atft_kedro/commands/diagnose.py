"""``kedro atft diagnose``: check a training and advise what to change."""

import click
from kedro.io import CatalogProtocol
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ..checks import Severity
from ..diagnosis.check_result import TrainingCheck
from ..diagnosis.diagnosis import Diagnosis, diagnose
from ..training.runs import LATEST
from .command_helpers import pass_catalog
from .console import make_console

TITLES: dict[Severity, tuple[str, str]] = {
    "error": ("errors", "bold red"),
    "warn": ("warnings", "yellow"),
    "ok": ("ok", "green"),
}
PHASE_NOTE = "training.phases[0] is the first phase in conf/; --params are options of a new kedro run."


@click.command("diagnose")
@click.argument("run", default=LATEST)
@click.option("--json", "as_json", is_flag=True, help="Print JSON only.")
@click.option("--strict", is_flag=True, help="Exit with 1 if a check reports an error.")
@pass_catalog
def diagnose_run(catalog: CatalogProtocol, run: str, as_json: bool, strict: bool) -> None:
    """Check the training of RUN (default: the latest) and advise what to change.

    Works during a training, and after it is done, was stopped or has died.
    """
    diagnosis = diagnose(catalog["runs"].load().find(run))
    if as_json:
        click.echo(diagnosis.model_dump_json(indent=2))
    else:
        make_console().print(render_diagnosis(diagnosis))
    if strict and diagnosis.severity == "error":
        raise SystemExit(1)


def render_diagnosis(diagnosis: Diagnosis) -> Group:
    """Render problems with their advice, then the ok checks, each once for all seeds."""
    has_seeds = len({check.seed for check in diagnosis.checks if check.seed is not None}) > 1
    parts: list[RenderableType] = [Text(f"run {diagnosis.run}: {diagnosis.headline}", style="bold")]
    for severity, (title, style) in TITLES.items():
        checks = diagnosis.select(severity)
        if severity == "ok":
            first_by_name: dict[str, TrainingCheck] = {}
            for check in checks:
                first_by_name.setdefault(check.name, check)
            checks = list(first_by_name.values())
        if checks:
            parts += [Padding(Text(title, style=style), (1, 0, 0, 0), expand=False)]
            parts += [_render_checks(checks, style, has_seeds)]
    if any("phases[" in advice for check in diagnosis.checks for advice in check.advice):
        parts.append(Padding(Text(PHASE_NOTE, style="dim"), (1, 0, 0, 0), expand=False))
    return Group(*parts)


def _render_checks(checks: list[TrainingCheck], style: str, has_seeds: bool) -> Table:
    """Render a row for each check and a row for each advice."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column()
    for check in checks:
        seed = f"seed {check.seed}, " if has_seeds and check.seed is not None else ""
        table.add_row(Text(f"  {check.name}", style=style), Text(f"{seed}{check.message}"))
        for advice in check.advice:
            table.add_row("", Text(f"→ {advice}", style="bold"))
    return table
