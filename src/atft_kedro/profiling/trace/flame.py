"""A flame graph of a training step: its code lines, the operations that they call, and their times."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Self

import plotly.graph_objects as go
from torch._C._profiler import _EventType as EventType

from .steps import BACKWARD, MARKS, ProfiledTraining

LINE = re.compile(r"atft_kedro/((?:panel/|network/|training/|losses|metrics).*)\.py\(\d+\): (\w+)$")
MODULE = re.compile(r"nn\.Module: (\w+)_\d+$")
TRAIN_STEP = "training/train_step"  # this file calls all operations
MIN_SHARE = 0.002  # of a step; shorter frames would not be visible
COLOURS = {"backward": "#d99a6c", "network": "#6f9bd1", "losses": "#8fbf8f", "panel": "#b79fd4", "metrics": "#8fbf8f"}
OTHER = "#c9d1da"
WIDE_SHARE = 0.1  # of a step; a wider frame has room for the text of its time
WITH_TIME, WITHOUT_TIME = "%{label} %{value:,.3~r} ms", "%{label}"
CallPath = tuple[str, ...]  # code lines, each called by the one before


@dataclass
class Frame:
    """A code line or an operation, with the time of everything that it calls."""

    seconds: float = 0.0
    calls: dict[str, "Frame"] = field(default_factory=dict)

    def add(self, path: CallPath, seconds: float) -> None:
        """Add time to the last frame of a path that starts at this frame."""
        frame = self
        for name in path:
            frame = frame.calls.setdefault(name, Frame())
        frame.seconds += seconds

    def add_along(self, path: CallPath, seconds: float) -> None:
        """Add time to every frame of a path."""
        for length in range(1, len(path) + 1):
            self.add(path[:length], seconds)

    def walk(self, path: CallPath = ()) -> Iterator[tuple[CallPath, "Frame"]]:
        """Yield every frame below this one, each after its caller."""
        for name, frame in self.calls.items():
            yield (*path, name), frame
            yield from frame.walk((*path, name))


class FlameGraph:
    """The averaged call tree of profiled steps.

    Forward operations are below the code lines that call them. Backward operations are not called by code lines: they
    are below the frame ``backward`` and the code lines of their forward operations.
    """

    @classmethod
    def record(cls, training: ProfiledTraining, steps: int) -> tuple[Self, float]:
        """Profile some steps with every code line; also return the median time of a step."""
        profiler, seconds = training.run_profiler(steps, with_lines=True)
        assert profiler.profiler is not None
        results: Any = profiler.profiler.kineto_results
        return cls(results.experimental_event_tree(), steps), seconds

    def __init__(self, trees: Iterable[Any], steps: int) -> None:
        self.root = Frame()
        self.own_seconds: dict[str, Counter[CallPath]] = defaultdict(Counter)  # of each operation, by path
        self._forward_paths: dict[int, CallPath] = {}  # by sequence number, which forward and backward share
        self._steps = steps
        for tree in trees:
            self._add_event(tree, (), "")
        self.root.seconds = sum(frame.seconds for frame in self.root.calls.values())

    def _add_event(self, event: Any, path: CallPath, module: str) -> None:
        """Add an event and everything that it calls; ``module`` is the innermost module called so far."""
        kind, seconds = event.typed[0], event.duration_time_ns / 1e9 / self._steps
        if kind == EventType.PyCall and (line := LINE.search(event.name)):
            path = (*path, f"{line[1]}: {module if line[2] == 'forward' else line[2]}")
            self.root.add(path, seconds)
        elif kind == EventType.PyCall and (called := MODULE.match(event.name)):
            module = called[1]
        elif kind == EventType.TorchOp and event.name.startswith(BACKWARD):
            self.root.add_along(path, -seconds)
            path = (*self._find_backward_path(event), event.name.removeprefix(f"{BACKWARD}: "))
            self.root.add_along(path, seconds)
        elif kind == EventType.TorchOp and event.name.startswith(MARKS):
            pass  # a mark may start and end in different calls, so its position has no meaning
        elif kind == EventType.TorchOp and ("::" in event.name or not event.children):
            self.root.add((*path, event.name), seconds)
            return self._add_own_seconds(event, path)
        elif kind == EventType.TorchOp:  # it only calls other operations
            self._forward_paths[event.typed[1].sequence_number] = path
        for child in event.children:
            self._add_event(child, path, module)
        return None

    def _find_backward_path(self, event: Any) -> CallPath:
        """Return the path of a backward event: ``backward`` and the code lines of its forward operation."""
        forward = self._forward_paths.get(event.typed[1].sequence_number, ())
        return ("backward", *(line for line in forward if not line.startswith(TRAIN_STEP)))

    def _add_own_seconds(self, event: Any, path: CallPath) -> None:
        """Add the time of an operation without the operations that it calls, and the same for each of these."""
        self._forward_paths[event.typed[1].sequence_number] = path
        called = [child for child in event.children if child.typed[0] == EventType.TorchOp]
        own = event.duration_time_ns - sum(child.duration_time_ns for child in called)
        self.own_seconds[event.name][path] += own / 1e9 / self._steps
        for child in called:
            self._add_own_seconds(child, path)

    def find_main_line(self, operation: str) -> tuple[str, float]:
        """Return the code line with the largest share of an operation's time, and that share."""
        lines: Counter[str] = Counter()
        for path, seconds in self.own_seconds[operation].items():
            line = next((name for name in reversed(path) if ": " in name), "")
            lines[line + (", backward" if "backward" in path else "")] += seconds
        line, most = lines.most_common(1)[0] if lines else ("", 0.0)
        return line, most / max(lines.total(), 1e-12)


def plot_flame_graph(flame_graph: FlameGraph) -> go.Figure:
    """Plot the step at the top and its calls below; the width is the time."""
    root = flame_graph.root
    frames = [((), root), *(entry for entry in root.walk() if entry[1].seconds > MIN_SHARE * root.seconds)]
    figure = go.Figure(
        go.Icicle(
            ids=["|".join(("step", *path)) for path, _ in frames],
            parents=["|".join(("step", *path[:-1])) if path else "" for path, _ in frames],
            labels=[path[-1].rpartition(": ")[2] if path else "step" for path, _ in frames],
            values=[1000 * frame.seconds for _, frame in frames],
            text=[" › ".join(path) for path, _ in frames],
            branchvalues="total",
            sort=False,
            tiling={"orientation": "v"},
            marker={"colors": [_choose_colour(path) for path, _ in frames], "line": {"width": 1, "color": "white"}},
            texttemplate=[
                WITH_TIME if frame.seconds > WIDE_SHARE * root.seconds else WITHOUT_TIME for _, frame in frames
            ],
            hovertemplate="%{text}<br>%{value:.2f} ms of each step, %{percentRoot:.1%}<extra></extra>",
        )
    )
    depth = max(len(path) for path, _ in frames)
    return figure.update_layout(
        margin={"l": 0, "r": 0, "t": 24, "b": 0},
        height=40 + 26 * (1 + depth),
        uniformtext={"minsize": 10, "mode": "hide"},
        font={"family": "system-ui, sans-serif"},
    )


def _choose_colour(path: CallPath) -> str:
    """Return the colour of backward, or of the innermost folder or file that has a colour."""
    folders = (name.partition("/")[0].partition(":")[0] for name in path[:1] + path[::-1])
    return next((COLOURS[folder] for folder in folders if folder in COLOURS), OTHER)
