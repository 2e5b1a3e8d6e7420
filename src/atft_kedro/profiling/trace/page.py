"""Write the files of a profile: a trace, Markdown tables, and a page with a flame graph."""

import re
from dataclasses import dataclass
from pathlib import Path

import jinja2
import torch
from plotly.offline import get_plotlyjs

from ...reporting.table import Table, build_markdown_page
from .flame import COLOURS, OTHER, FlameGraph, plot_flame_graph
from .steps import ProfiledTraining, StepProfile, profile_steps

TITLE = "The time of a training step"
PAGE, TABLES, TRACE = "flame.html", "tables.md", "trace.json"
SHOWN_OPERATIONS = 10
MAIN_LINE = "main code line"  # a column
COMPILED_GRAPH = re.compile(r"## Call CompiledFxGraph \w+ ##")
PLOTLY_CONFIG = {"displaylogo": False, "responsive": True, "displayModeBar": False}


@dataclass(frozen=True)
class ProfileReport:
    """A profile as notes and tables."""

    notes: tuple[str, ...]
    sections: Table
    operations: Table


def write_profile(training: ProfiledTraining, steps: int, folder: Path) -> ProfileReport:
    """Profile some steps, and write the trace, the tables and the page into a new folder."""
    folder.mkdir(parents=True)
    profile = profile_steps(training, steps, folder / TRACE)
    flame_graph, seconds_with_lines = FlameGraph.record(training, steps)
    notes = describe_profile(training, profile, seconds_with_lines)
    report = ProfileReport(notes, tabulate_sections(profile), tabulate_operations(profile, flame_graph))
    tables = build_markdown_page(TITLE, [report.sections, report.operations])
    (folder / TABLES).write_text("\n\n".join([tables.rstrip(), *notes]) + "\n")
    (folder / PAGE).write_text(render_page(report, flame_graph))
    return report


def describe_profile(training: ProfiledTraining, profile: StepProfile, seconds_with_lines: float) -> tuple[str, ...]:
    """Describe the profiled step, its speed, and how much slower it is under the profiler."""
    trainer, train_step = training.trainer, training.trainer.train_step
    params, features = trainer.params, len(train_step.reader.panel.metadata.features)
    threads = "" if training.is_on_gpu else f", threads: {torch.get_num_threads()}"
    blocks = f"blocks of {train_step.reader.days} days x {train_step.reader.stocks} stocks, {features} features"
    compiled = ", compiled" if params.compile else ""
    network = f"hidden {trainer.network.params.hidden_size}, {params.precision}{compiled}"
    with_profiler = f"{profile.profiled_seconds / profile.seconds:.2f} times as long under the profiler"
    with_lines = f"{seconds_with_lines / profile.seconds:.2f} times as long when it also records code lines"
    return (
        f"Phase {training.phase.name}: {blocks}, {network}, {train_step.device}{threads}, torch {torch.__version__}.",
        f"{1 / profile.seconds:.2f} steps/s; {profile.steps} steps took {with_profiler}, {with_lines}.",
    )


def tabulate_sections(profile: StepProfile) -> Table:
    """Tabulate the time of a step's sections: reading, forward, backward, optimizer, rest."""
    total = sum(profile.sections.values())
    rows = [(name, f"{1000 * time:,.1f}", f"{time / total:.1%}") for name, time in profile.sections.items()]
    return Table("Sections of a step", ("section", "ms", "share"), rows)


def tabulate_operations(profile: StepProfile, flame_graph: FlameGraph) -> Table:
    """Tabulate the most expensive operations, each with the code line that needs it most."""
    rows = []
    for operation in profile.operations[:SHOWN_OPERATIONS]:
        line, share = flame_graph.find_main_line(operation.name)
        name = COMPILED_GRAPH.sub("compiled graph, without its kernels", operation.name)
        milliseconds = f"{1000 * operation.seconds:,.1f}"
        main_line = f"{line} ({share:.0%})" if line else ""
        rows.append((name, f"{operation.calls:,.0f}", milliseconds, f"{operation.share:.1%}", main_line))
    header = ("operation", "calls", "own ms", "share", MAIN_LINE)
    return Table(f"The {len(rows)} most expensive operations", header, rows)


def render_page(report: ProfileReport, flame_graph: FlameGraph) -> str:
    """Render the page, which works offline."""
    template = (Path(__file__).parent / "page.html").read_text()
    page = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(template)
    figure = plot_flame_graph(flame_graph).to_html(full_html=False, include_plotlyjs=False, config=PLOTLY_CONFIG)
    # Operations of metrics have the colour of losses; those of other files are shown as "training".
    colours = {**{name: colour for name, colour in COLOURS.items() if name != "metrics"}, "training": OTHER}
    tables = [report.operations, report.sections]
    content = {"title": TITLE, "notes": report.notes, "figure": figure, "tables": tables, "colours": colours}
    return page.render(**content, text_column=MAIN_LINE, plotly=get_plotlyjs())
