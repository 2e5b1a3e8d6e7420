"""Test reading the log of running, resumed, older and damaged runs."""

import json
from pathlib import Path

import pytest

from atft_kedro.diagnosis.diagnosis import diagnose
from atft_kedro.diagnosis.training_log import read_training_log
from atft_kedro.params import InputError
from atft_kedro.training.runs import HEARTBEAT, MANIFEST, METRICS
from factories.training_logs import (
    RISING,
    STEPS,
    diagnose_run,
    find_check,
    make_epoch_line,
    make_log,
    make_step_lines,
    write_run,
    write_score,
)


def test_steps_and_epochs_are_grouped_by_phase(tmp_path: Path) -> None:
    names, lines = ["one", "two", "two", "three"], []
    for number, (name, epoch) in enumerate(zip(names, (1, 1, 2, 1), strict=True), start=1):
        lines += [*make_step_lines(number, loss=float(number)), make_epoch_line(number, 0.1, phase=name, epoch=epoch)]
    lines += make_step_lines(5, loss=5.0, phase="three")[:7]  # of an unfinished epoch
    phases = [
        {"name": name, "epochs": epochs, "learning_rate": 1e-3}
        for name, epochs in (("one", 1), ("two", 2), ("three", 2))
    ]

    (seed,) = read_training_log(write_run(tmp_path / "a", lines, phases=phases)).seeds
    before = lines[: 3 * (STEPS + 1)] + make_step_lines(4, phase="three")[:7]  # stopped in the last phase's first epoch
    (stopped,) = read_training_log(write_run(tmp_path / "b", before, phases=phases)).seeds

    assert [phase.index for phase in seed.phases] == [0, 1, 2]
    assert [len(phase.epochs) for phase in seed.phases] == [1, 2, 1]
    assert [len(phase.step_numbers) for phase in seed.phases] == [STEPS, 2 * STEPS, STEPS + 7]
    assert [len(phase.step_numbers) for phase in stopped.phases] == [STEPS, 2 * STEPS, 7]
    assert stopped.phases[-1].epochs == ()
    assert [set(phase.steps["loss"]) for phase in seed.phases] == [{1.0}, {2.0, 3.0}, {4.0, 5.0}]


def test_steps_after_an_early_stop_belong_to_the_next_phase(tmp_path: Path) -> None:
    phases = [{"name": name, "epochs": 10, "learning_rate": 1e-3} for name in ("one", "two")]
    lines = [
        *make_step_lines(1, phase="one"),
        make_epoch_line(1, 0.1, phase="one"),
        *make_step_lines(2, phase="two")[:5],
    ]

    (seed,) = read_training_log(write_run(tmp_path, lines, phases=phases)).seeds

    assert [(phase.params.name, len(phase.step_numbers)) for phase in seed.phases] == [("one", STEPS), ("two", 5)]


def test_phases_without_epochs_are_left_out(tmp_path: Path) -> None:
    phases = [{"name": name, "epochs": epochs, "learning_rate": 1e-3} for name, epochs in (("one", 1), ("two", 9))]

    (seed,) = read_training_log(write_run(tmp_path, make_log(0.1, phase="two"), phases=phases, epochs=1)).seeds

    assert [(phase.index, phase.params.name, phase.params.epochs) for phase in seed.phases] == [(1, "two", 1)]
    assert len(seed.phases[0].step_numbers) == STEPS


def test_repeated_and_unfinished_lines_count_once(tmp_path: Path) -> None:
    lines = make_log(*RISING)
    twice = [
        *make_log(*RISING[:2], 0.5),
        *make_step_lines(3, loss=9.0),
        *lines[-4 * (STEPS + 1) :],
    ]  # killed and resumed
    folder = write_run(tmp_path / "twice", twice)
    with (folder / METRICS).open("a") as log:
        log.write('{"step": 1, "lo')

    whole = diagnose_run(tmp_path / "once", lines)

    assert diagnose(folder).checks[1:] == whole.checks[1:]


def test_an_older_run_is_diagnosed_by_its_scores(tmp_path: Path) -> None:
    lines = make_log(*RISING)
    for line in lines:
        for name in ("train", "cpu_seconds"):
            line.pop(name, None)
        line.get("validation", {}).pop("se_rank_ic_1d", None)
    folder = write_run(tmp_path, lines)
    before = {check.name for check in diagnose(folder).checks}
    write_score(folder, {"train": 0.3, "validation": 0.1, "test": 0.01})

    scored = diagnose(folder)

    assert not {"overfitting", "reading", "GPU"} & before
    assert find_check(scored, "overfitting").numbers["lost"] == pytest.approx(2 / 3)
    assert find_check(scored, "test score").severity == "warn"


def test_unreadable_scores_and_manifests_are_reported(tmp_path: Path) -> None:
    folder = write_run(tmp_path, make_log(*RISING))
    before = diagnose(folder)
    (folder / "metrics.json").write_text('{"run": "a", "split": {"test"')

    cut = diagnose(folder)
    manifest = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps(manifest | {"training": manifest["training"] | {"batch": 4}}))
    with pytest.raises(InputError, match="another version of this project: batch: Extra inputs"):
        diagnose(folder)
    (folder / MANIFEST).write_text(json.dumps(manifest)[:100])
    with pytest.raises(InputError, match="manifest.json is not readable as JSON"):
        diagnose(folder)

    assert "metrics.json is not readable as JSON" in find_check(cut, "scores").message
    assert find_check(cut, "scores").advice == (f"run kedro atft evaluate {folder.name} to compute them again",)
    assert {check.name for check in cut.checks} == {check.name for check in before.checks} | {"scores"}


def test_a_run_without_a_step_is_refused(tmp_path: Path) -> None:
    folder = write_run(tmp_path, [])
    (folder / HEARTBEAT).unlink()

    with pytest.raises(InputError, match="has written nothing yet: it has not made its first step"):
        diagnose(folder)
