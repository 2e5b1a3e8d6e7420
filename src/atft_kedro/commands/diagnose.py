"""What is wrong with a training, as an experienced trainer would say it."""

from typing import Any

import click
from kedro.framework.startup import ProjectMetadata
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ..diagnosis.check_result import Finding, State
from ..diagnosis.diagnosis import Diagnosis, diagnose
from .console import make_console
from .project import open_catalog, project_options
from .runs import RUN

TITLES: dict[State, tuple[str, str]] = {
    "trouble": ("in trouble", "bold red"),
    "watch": ("to watch", "yellow"),
    "ok": ("in order", "green"),
}
WHERE = "training.phases[0] is the first phase in the environment's parameters; --params are for a new kedro run."


@click.command("diagnose")
@RUN
@click.option("--json", "as_json", is_flag=True, help="Print JSON alone.")
@click.option("--strict", is_flag=True, help="Exit with 1 where something is in trouble.")
@project_options
def diagnose_run(
    metadata: ProjectMetadata, run: str, as_json: bool, strict: bool, env: str | None, params: dict[str, Any]
) -> None:
    """Say what is wrong with a RUN (default: the latest), by what was measured, and what to change.

    Works while it trains, and after it ended however it did.
    """
    with open_catalog(metadata, env, params) as catalog:
        diagnosis = diagnose(catalog["runs"].load().find(run))
    if as_json:
        click.echo(diagnosis.model_dump_json(indent=2))
    else:
        make_console().print(draw_diagnosis(diagnosis))
    if strict and diagnosis.state == "trouble":
        raise SystemExit(1)


def draw_diagnosis(diagnosis: Diagnosis) -> Group:
    """Draw what is wrong with its advice, then what is in order; of several seeds that are, the first alone."""
    seeds = {each.seed for each in diagnosis.findings if each.seed is not None}
    drawn: list[RenderableType] = [Text(f"run {diagnosis.run}: {diagnosis.headline}", style="bold")]
    for state, (title, style) in TITLES.items():
        found = diagnosis.among(state)
        if state == "ok":
            found = [each for place, each in enumerate(found) if each.about not in {one.about for one in found[:place]}]
        if found:
            drawn += [
                Padding(Text(title, style=style), (1, 0, 0, 0), expand=False),
                _draw(found, style, len(seeds) > 1),
            ]
    if any("phases[" in advice for each in diagnosis.findings for advice in each.advice):
        drawn.append(Padding(Text(WHERE, style="dim"), (1, 0, 0, 0), expand=False))
    return Group(*drawn)


def _draw(found: list[Finding], style: str, are_many: bool) -> Table:
    """Draw a row for each finding, and one for each advice; seeds are named where there are many."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column()
    for each in found:
        seed = f"seed {each.seed}, " if are_many and each.seed is not None else ""
        table.add_row(Text(f"  {each.about}", style=style), Text(f"{seed}{each.measured}"))
        for advice in each.advice:
            table.add_row("", Text(f"→ {advice}", style="bold"))
    return table
