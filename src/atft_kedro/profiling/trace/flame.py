"""A flame graph of a training step: which lines call which operations, and how long those take."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Self

import plotly.graph_objects as go
from torch._C._profiler import _EventType as Kind

from .steps import BACKWARD, MARKS, Rehearsal

LINE = re.compile(r"atft_kedro/((?:panel/|network/|training/|losses|metrics).*)\.py\(\d+\): (\w+)$")
MODULE = re.compile(r"nn\.Module: (\w+)_\d+$")
LOOP = "training/train_step"  # whose lines every operation is called by
LEAST = 0.002  # of a step: what took less is left out, for it could not be seen
COLOURS = {"backward": "#d99a6c", "network": "#6f9bd1", "losses": "#8fbf8f", "panel": "#b79fd4", "metrics": "#8fbf8f"}
OTHER = "#c9d1da"
WIDE = 0.1  # of a step: what takes as much has room to say how long
LONG, SHORT = "%{label} %{value:,.3~r} ms", "%{label}"
Place = tuple[str, ...]  # lines of the code, each called by the one before


@dataclass
class Frame:
    """A line of the code, or an operation: what it took with all that it calls."""

    seconds: float = 0.0
    calls: dict[str, "Frame"] = field(default_factory=dict)

    def add(self, place: Place, seconds: float) -> None:
        """Add what something took that is called from here."""
        frame = self
        for name in place:
            frame = frame.calls.setdefault(name, Frame())
        frame.seconds += seconds

    def add_along(self, place: Place, seconds: float) -> None:
        """Add it to all that is on the way there, too."""
        for length in range(1, len(place) + 1):
            self.add(place[:length], seconds)

    def walk(self, place: Place = ()) -> Iterator[tuple[Place, "Frame"]]:
        """List every frame below, each behind its caller."""
        for name, frame in self.calls.items():
            yield (*place, name), frame
            yield from frame.walk((*place, name))


class Flames:
    """Lays the steps that a profiler has watched over each other.

    Forward lies under the lines that call it, and backward, which no line calls, under the lines of its forward.
    """

    @classmethod
    def watch(cls, rehearsal: Rehearsal, steps: int) -> tuple[Self, float]:
        """Take some steps while every line is noted, and say how long one took."""
        watching, seconds = rehearsal.watch(steps, lines=True)
        assert watching.profiler is not None
        results: Any = watching.profiler.kineto_results
        return cls(results.experimental_event_tree(), steps), seconds

    def __init__(self, trees: Iterable[Any], steps: int) -> None:
        self.root = Frame()
        self.places: dict[str, Counter[Place]] = defaultdict(Counter)  # each operation's own seconds, by line
        self._written: dict[int, Place] = {}  # of the operation with that number, whose backward has the same
        self._steps = steps
        for tree in trees:
            self._look(tree, (), "")
        self.root.seconds = sum(frame.seconds for frame in self.root.calls.values())

    def _look(self, event: Any, place: Place, module: str) -> None:
        """Look at an event and at all that it calls, for the module that was called last."""
        kind, seconds = event.typed[0], event.duration_time_ns / 1e9 / self._steps
        if kind == Kind.PyCall and (line := LINE.search(event.name)):
            place = (*place, f"{line[1]}: {module if line[2] == 'forward' else line[2]}")
            self.root.add(place, seconds)
        elif kind == Kind.PyCall and (called := MODULE.match(event.name)):
            module = called[1]
        elif kind == Kind.TorchOp and event.name.startswith(BACKWARD):
            self.root.add_along(place, -seconds)
            place = (*self._behind(event), event.name.removeprefix(f"{BACKWARD}: "))
            self.root.add_along(place, seconds)
        elif kind == Kind.TorchOp and event.name.startswith(MARKS):
            pass  # it begins in one call and ends in another: nothing is told by where it lies
        elif kind == Kind.TorchOp and ("::" in event.name or not event.children):
            self.root.add((*place, event.name), seconds)
            return self._own(event, place)
        elif kind == Kind.TorchOp:  # it only calls others
            self._written[event.typed[1].sequence_number] = place
        for child in event.children:
            self._look(child, place, module)
        return None

    def _behind(self, event: Any) -> Place:
        """Find the lines that a step backward belongs to."""
        forward = self._written.get(event.typed[1].sequence_number, ())
        return ("backward", *(line for line in forward if not line.startswith(LOOP)))

    def _own(self, event: Any, place: Place) -> None:
        """Note an operation's own time, and that of the operations that it calls."""
        self._written[event.typed[1].sequence_number] = place
        called = [each for each in event.children if each.typed[0] == Kind.TorchOp]
        own = event.duration_time_ns - sum(each.duration_time_ns for each in called)
        self.places[event.name][place] += own / 1e9 / self._steps
        for each in called:
            self._own(each, place)

    def find(self, operation: str) -> tuple[str, float]:
        """Name the line for which an operation works longest, and the share of its time."""
        lines: Counter[str] = Counter()
        for place, seconds in self.places[operation].items():
            line = next((each for each in reversed(place) if ": " in each), "")
            lines[line + (", backward" if "backward" in place else "")] += seconds
        line, most = lines.most_common(1)[0] if lines else ("", 0.0)
        return line, most / max(lines.total(), 1e-12)


def draw_flames(flames: Flames) -> go.Figure:
    """Draw the step on top, what it calls below, and wide what took long."""
    root = flames.root
    shown = [((), root), *(each for each in root.walk() if each[1].seconds > LEAST * root.seconds)]
    figure = go.Figure(
        go.Icicle(
            ids=["|".join(("step", *place)) for place, _ in shown],
            parents=["|".join(("step", *place[:-1])) if place else "" for place, _ in shown],
            labels=[place[-1].rpartition(": ")[2] if place else "step" for place, _ in shown],
            values=[1000 * frame.seconds for _, frame in shown],
            text=[" › ".join(place) for place, _ in shown],
            branchvalues="total",
            sort=False,
            tiling={"orientation": "v"},
            marker={"colors": [colour_of(place) for place, _ in shown], "line": {"width": 1, "color": "white"}},
            texttemplate=[LONG if frame.seconds > WIDE * root.seconds else SHORT for _, frame in shown],
            hovertemplate="%{text}<br>%{value:.2f} ms of each step, %{percentRoot:.1%}<extra></extra>",
        )
    )
    deepest = max(len(place) for place, _ in shown)
    return figure.update_layout(
        margin={"l": 0, "r": 0, "t": 24, "b": 0},
        height=40 + 26 * (1 + deepest),
        uniformtext={"minsize": 10, "mode": "hide"},
        font={"family": "system-ui, sans-serif"},
    )


def colour_of(place: Place) -> str:
    """Tell backward and the folders of the code apart."""
    return next((COLOURS[folder] for name in place[:1] + place[::-1] if (folder := folder_of(name)) in COLOURS), OTHER)


def folder_of(name: str) -> str:
    """Name the folder that a line is in, or the file where that is in none."""
    return name.partition("/")[0].partition(":")[0]
