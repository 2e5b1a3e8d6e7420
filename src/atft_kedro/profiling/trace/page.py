"""A profile as people look at it: tables, and a page with the flame graph that needs no network."""

import re
from dataclasses import dataclass
from pathlib import Path

import jinja2
import torch
from plotly.offline import get_plotlyjs

from ...reporting.table import Table, build_markdown_page
from .flame import COLOURS, OTHER, Flames, draw_flames
from .steps import Profile, Rehearsal, profile_steps

TITLE = "Where the time of a training step goes"
PAGE, TABLES, TRACE = "flame.html", "operations.md", "trace.json"
MOST = 10  # operations
COMPILED = re.compile(r"## Call CompiledFxGraph \w+ ##")
CONFIG = {"displaylogo": False, "responsive": True, "displayModeBar": False}


@dataclass(frozen=True)
class Told:
    """A profile in words and tables."""

    notes: tuple[str, ...]
    parts: Table
    operations: Table


def write_profile(rehearsal: Rehearsal, steps: int, folder: Path) -> Told:
    """Profile some steps, and write the trace, the tables and the page into a folder."""
    folder.mkdir(parents=True)
    profile = profile_steps(rehearsal, steps, folder / TRACE)
    flames, noted = Flames.watch(rehearsal, steps)
    told = Told(describe(rehearsal, profile, noted), tabulate_parts(profile), tabulate_operations(profile, flames))
    head = build_markdown_page(TITLE, [told.parts, told.operations])
    (folder / TABLES).write_text("\n\n".join([head.rstrip(), *told.notes]) + "\n")
    (folder / PAGE).write_text(draw_page(told, flames))
    return told


def describe(rehearsal: Rehearsal, profile: Profile, noted: float) -> tuple[str, ...]:
    """Say what was profiled, how fast it is, and how much slower while it is watched."""
    trainer, train_step = rehearsal.trainer, rehearsal.trainer.train_step
    params, features = trainer.params, len(train_step.reader.panel.metadata.features)
    threads = "" if rehearsal.is_on_gpu else f", threads: {torch.get_num_threads()}"
    size = f"blocks of {train_step.reader.days} days x {train_step.reader.stocks} stocks, {features} features"
    how = f"hidden {trainer.network.params.hidden_size}, {params.precision}{', compiled' if params.compile else ''}"
    slower = f"{profile.watched / profile.seconds:.2f} times as long under the profiler"
    slowest = f"{noted / profile.seconds:.2f} times where it notes every line, as for the flame graph"
    return (
        f"Phase {rehearsal.phase.name}: {size}, {how}, {train_step.device}{threads}, torch {torch.__version__}.",
        f"{1 / profile.seconds:.2f} steps/s; {profile.steps} steps took {slower}, {slowest}.",
    )


def tabulate_parts(profile: Profile) -> Table:
    """Tell the parts of a step."""
    whole = sum(profile.parts.values())
    rows = [(name, f"{1000 * took:,.1f}", f"{took / whole:.1%}") for name, took in profile.parts.items()]
    return Table("A step's parts", ("part", "ms", "share"), rows)


def tabulate_operations(profile: Profile, flames: Flames) -> Table:
    """Tell the most expensive operations, and for which line each works longest."""
    rows = []
    for each in profile.operations[:MOST]:
        line, share = flames.find(each.name)
        name = COMPILED.sub("compiled code, beside its loops", each.name)
        mostly = f"{line} ({share:.0%})" if line else ""
        rows.append((name, f"{each.calls:,.0f}", f"{1000 * each.seconds:,.1f}", f"{each.share:.1%}", mostly))
    head = ("operation", "calls", "own ms", "share", "mostly for")
    return Table(f"The {len(rows)} most expensive operations", head, rows)


def draw_page(told: Told, flames: Flames) -> str:
    """Draw the page."""
    template = (Path(__file__).parent / "page.html").read_text()
    page = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(template)
    figure = draw_flames(flames).to_html(full_html=False, include_plotlyjs=False, config=CONFIG)
    colours = {**{name: colour for name, colour in COLOURS.items() if name != "metrics"}, "training": OTHER}
    grids = [told.operations, told.parts]
    return page.render(
        title=TITLE, notes=told.notes, figure=figure, grids=grids, colours=colours, plotly=get_plotlyjs()
    )
