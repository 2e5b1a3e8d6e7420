"""Test the learning curves."""

from typing import Any

from atft_kedro.reporting.training_figures import plot_learning


def make_epoch(seed: int, phase: str, rank_ic: float) -> dict[str, Any]:
    validation = {"rank_ic": rank_ic, "rank_ic_1d": rank_ic, "rank_ic_5d": 2 * rank_ic, "loss": 0.9}
    return {"seed": seed, "phase": phase, "train_loss": 0.8, "validation": validation}


def test_every_horizon_and_loss_is_a_line_and_phases_are_marked() -> None:
    figure = plot_learning([make_epoch(7, "one", 0.1), make_epoch(7, "one", 0.2), make_epoch(7, "two", 0.3)])

    lines = {line.name: list(line.y) for line in figure.data}
    assert lines == {
        "1 d": [0.1, 0.2, 0.3],
        "5 d": [0.2, 0.4, 0.6],
        "train loss": [0.8] * 3,
        "validation loss": [0.9] * 3,
    }
    assert [note.text for note in figure.layout.annotations] == ["one", "two"]
    assert [note.x for note in figure.layout.annotations] == [0.5, 2.5]


def test_the_lines_of_several_seeds_name_the_seed() -> None:
    figure = plot_learning([make_epoch(8, "one", 0.2), make_epoch(7, "one", 0.1)])

    assert [line.name for line in figure.data if line.name.startswith("1 d")] == ["1 d, seed 7", "1 d, seed 8"]
    assert not plot_learning([]).data
