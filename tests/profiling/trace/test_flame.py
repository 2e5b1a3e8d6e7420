"""Test the call tree of the flame graph, with forward and backward."""

from types import SimpleNamespace
from typing import Any

import pytest
from torch._C._profiler import _EventType as Kind

from atft_kedro.profiling.trace.flame import FlameGraph, plot_flame_graph
from atft_kedro.profiling.trace.steps import BACKWARD, ProfiledTraining

HEADS = ("network/atft: Atft", "network/heads: Heads")


def make_call(name: str, milliseconds: float, *children: Any) -> Any:
    return SimpleNamespace(typed=(Kind.PyCall, None), name=name, duration_time_ns=1e6 * milliseconds, children=children)


def make_operation(name: str, milliseconds: float, *children: Any, number: int = -1) -> Any:
    details = SimpleNamespace(sequence_number=number)
    return SimpleNamespace(
        typed=(Kind.TorchOp, details), name=name, duration_time_ns=1e6 * milliseconds, children=children
    )


STEP = make_call(
    "/home/me/atft_kedro/training/train_step.py(76): learn",
    20,
    make_call(
        "nn.Module: Atft_0",
        9,
        make_call(
            "/home/me/atft_kedro/network/atft.py(37): forward",
            9,
            make_call("torch/nn/modules/linear.py(130): forward", 3, make_operation("aten::linear", 3, number=4)),
            make_operation("aten::mul", 5, make_operation("aten::copy_", 1), number=5),
        ),
    ),
    make_call(
        "torch/_tensor.py(500): backward",
        8,
        make_operation(f"{BACKWARD}: MulBackward0", 7, make_operation("aten::mul", 6), number=5),
    ),
)


def test_backward_is_below_the_lines_of_its_forward() -> None:
    frames = dict(FlameGraph([STEP], steps=1).root.walk())

    seconds = {"|".join(path): round(1000 * frame.seconds, 6) for path, frame in frames.items()}
    assert seconds == {
        "training/train_step: learn": 13,  # 20 without backward
        "training/train_step: learn|network/atft: Atft": 9,
        "training/train_step: learn|network/atft: Atft|aten::linear": 3,
        "training/train_step: learn|network/atft: Atft|aten::mul": 5,
        "backward": 7,
        "backward|network/atft: Atft": 7,
        "backward|network/atft: Atft|MulBackward0": 7,
        "backward|network/atft: Atft|MulBackward0|aten::mul": 6,
    }


def test_steps_are_averaged() -> None:
    twice = FlameGraph([STEP, STEP], steps=2)

    assert twice.root.seconds == pytest.approx(FlameGraph([STEP], steps=1).root.seconds) == pytest.approx(0.020)


def test_the_main_line_of_an_operation_is_found() -> None:
    line, share = FlameGraph([STEP], steps=1).find_main_line("aten::mul")

    assert line == "network/atft: Atft, backward"
    assert share == pytest.approx(0.6)  # 6 ms there, and 4 in its forward
    assert FlameGraph([STEP], steps=1).find_main_line("aten::nothing") == ("", 0.0)


def test_no_frame_is_shorter_than_its_calls(profiled_training: ProfiledTraining) -> None:
    flame_graph, seconds = FlameGraph.record(profiled_training, 3)

    frames = dict(flame_graph.root.walk())
    for frame in frames.values():
        assert sum(called.seconds for called in frame.calls.values()) <= frame.seconds + 1e-6
    assert flame_graph.root.seconds == pytest.approx(seconds, rel=0.5)
    paths = {path for path in frames if path[: 1 + len(HEADS)] == ("backward", *HEADS)}
    assert paths  # the backward of a real step has lines


def test_the_caller_of_every_plotted_frame_is_plotted(profiled_training: ProfiledTraining) -> None:
    (icicle,) = plot_flame_graph(FlameGraph.record(profiled_training, 2)[0]).data

    assert len(set(icicle.ids)) == len(icicle.ids) > 50
    assert set(icicle.parents) <= {"", *icicle.ids}
