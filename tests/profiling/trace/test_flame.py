"""A flame graph says the truth about who called whom, backward included."""

from types import SimpleNamespace
from typing import Any

import pytest
from torch._C._profiler import _EventType as Kind

from atft_kedro.profiling.trace.flame import Flames, draw_flames
from atft_kedro.profiling.trace.steps import BACKWARD, Rehearsal

HEADS = ("network/atft: Atft", "network/heads: Heads")


def call(name: str, milliseconds: float, *children: Any) -> Any:
    return SimpleNamespace(typed=(Kind.PyCall, None), name=name, duration_time_ns=1e6 * milliseconds, children=children)


def operation(name: str, milliseconds: float, *children: Any, number: int = -1) -> Any:
    about = SimpleNamespace(sequence_number=number)
    return SimpleNamespace(
        typed=(Kind.TorchOp, about), name=name, duration_time_ns=1e6 * milliseconds, children=children
    )


STEP = call(
    "/home/me/atft_kedro/training/train_step.py(76): learn",
    20,
    call(
        "nn.Module: Atft_0",
        9,
        call(
            "/home/me/atft_kedro/network/atft.py(37): forward",
            9,
            call("torch/nn/modules/linear.py(130): forward", 3, operation("aten::linear", 3, number=4)),
            operation("aten::mul", 5, operation("aten::copy_", 1), number=5),
        ),
    ),
    call(
        "torch/_tensor.py(500): backward",
        8,
        operation(f"{BACKWARD}: MulBackward0", 7, operation("aten::mul", 6), number=5),
    ),
)


def test_backward_lies_under_the_lines_of_its_forward() -> None:
    frames = dict(Flames([STEP], steps=1).root.walk())

    seconds = {"|".join(place): round(1000 * frame.seconds, 6) for place, frame in frames.items()}
    assert seconds == {
        "training/train_step: learn": 13,  # 20 without what is backward
        "training/train_step: learn|network/atft: Atft": 9,
        "training/train_step: learn|network/atft: Atft|aten::linear": 3,
        "training/train_step: learn|network/atft: Atft|aten::mul": 5,
        "backward": 7,
        "backward|network/atft: Atft": 7,
        "backward|network/atft: Atft|MulBackward0": 7,
        "backward|network/atft: Atft|MulBackward0|aten::mul": 6,
    }


def test_steps_are_averaged() -> None:
    twice = Flames([STEP, STEP], steps=2)

    assert twice.root.seconds == pytest.approx(Flames([STEP], steps=1).root.seconds) == pytest.approx(0.020)


def test_an_operation_is_told_with_the_line_that_it_works_for_longest() -> None:
    line, share = Flames([STEP], steps=1).find("aten::mul")

    assert line == "network/atft: Atft, backward"
    assert share == pytest.approx(0.6)  # 6 ms of it, and 4 of its own forward
    assert Flames([STEP], steps=1).find("aten::nothing") == ("", 0.0)


def test_no_frame_is_shorter_than_what_it_calls(rehearsal: Rehearsal) -> None:
    flames, took = Flames.watch(rehearsal, 3)

    frames = dict(flames.root.walk())
    for frame in frames.values():
        assert sum(called.seconds for called in frame.calls.values()) <= frame.seconds + 1e-6
    assert flames.root.seconds == pytest.approx(took, rel=0.5)
    places = {place for place in frames if place[: 1 + len(HEADS)] == ("backward", *HEADS)}
    assert places  # a real step's backward has found its lines


def test_every_frame_that_is_drawn_has_its_caller_drawn(rehearsal: Rehearsal) -> None:
    (drawn,) = draw_flames(Flames.watch(rehearsal, 2)[0]).data

    assert len(set(drawn.ids)) == len(drawn.ids) > 50
    assert set(drawn.parents) <= {"", *drawn.ids}
