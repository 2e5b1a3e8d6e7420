"""A run's folder, read while it is written, after it was killed and gone on with, and where it is older."""

import json
from pathlib import Path

import pytest

from atft_kedro.diagnosis.diagnosis import diagnose
from atft_kedro.diagnosis.training_log import read_trace
from atft_kedro.params import InputError
from atft_kedro.training.runs import HEARTBEAT, MANIFEST, METRICS
from factories.training_logs import (
    RISING,
    STEPS,
    diagnose_run,
    find,
    tell,
    tell_epoch,
    tell_steps,
    write_run,
    write_score,
)


def test_steps_and_epochs_are_given_to_their_phases(tmp_path: Path) -> None:
    names, lines = ["one", "two", "two", "three"], []
    for number, (name, epoch) in enumerate(zip(names, (1, 1, 2, 1), strict=True), start=1):
        lines += [*tell_steps(number, loss=float(number)), tell_epoch(number, 0.1, phase=name, epoch=epoch)]
    lines += tell_steps(5, loss=5.0, phase="three")[:7]  # of an epoch that was stopped
    phases = [
        {"name": name, "epochs": epochs, "learning_rate": 1e-3}
        for name, epochs in (("one", 1), ("two", 2), ("three", 2))
    ]

    (seed,) = read_trace(write_run(tmp_path / "a", lines, phases=phases)).seeds
    before = lines[: 3 * (STEPS + 1)] + tell_steps(4, phase="three")[:7]  # stopped in the last phase's first epoch
    (stopped,) = read_trace(write_run(tmp_path / "b", before, phases=phases)).seeds

    assert [phase.place for phase in seed.phases] == [0, 1, 2]
    assert [len(phase.epochs) for phase in seed.phases] == [1, 2, 1]
    assert [len(phase.number) for phase in seed.phases] == [STEPS, 2 * STEPS, STEPS + 7]
    assert [len(phase.number) for phase in stopped.phases] == [STEPS, 2 * STEPS, 7]
    assert stopped.phases[-1].epochs == ()
    assert [set(phase.steps["loss"]) for phase in seed.phases] == [{1.0}, {2.0, 3.0}, {4.0, 5.0}]


def test_the_steps_after_a_phase_that_ended_early_are_of_the_next(tmp_path: Path) -> None:
    phases = [{"name": name, "epochs": 10, "learning_rate": 1e-3} for name in ("one", "two")]
    lines = [*tell_steps(1, phase="one"), tell_epoch(1, 0.1, phase="one"), *tell_steps(2, phase="two")[:5]]

    (seed,) = read_trace(write_run(tmp_path, lines, phases=phases)).seeds

    assert [(phase.params.name, len(phase.number)) for phase in seed.phases] == [("one", STEPS), ("two", 5)]


def test_phases_without_an_epoch_are_no_phases_of_the_trace(tmp_path: Path) -> None:
    phases = [{"name": name, "epochs": epochs, "learning_rate": 1e-3} for name, epochs in (("one", 1), ("two", 9))]

    (seed,) = read_trace(write_run(tmp_path, tell(0.1, phase="two"), phases=phases, epochs=1)).seeds

    assert [(phase.place, phase.params.name, phase.planned) for phase in seed.phases] == [(1, "two", 1)]
    assert len(seed.phases[0].number) == STEPS


def test_what_was_done_twice_or_is_being_written_counts_once(tmp_path: Path) -> None:
    lines = tell(*RISING)
    twice = [*tell(*RISING[:2], 0.5), *tell_steps(3, loss=9.0), *lines[-4 * (STEPS + 1) :]]  # killed, and gone on with
    folder = write_run(tmp_path / "twice", twice)
    with (folder / METRICS).open("a") as log:
        log.write('{"step": 1, "lo')

    whole = diagnose_run(tmp_path / "once", lines)

    assert diagnose(folder).findings[1:] == whole.findings[1:]


def test_an_older_run_is_diagnosed_by_what_it_has(tmp_path: Path) -> None:
    lines = tell(*RISING)
    for line in lines:
        for name in ("train", "cpu_seconds"):
            line.pop(name, None)
        line.get("validation", {}).pop("se_rank_ic_1d", None)
    folder = write_run(tmp_path, lines)
    before = {each.about for each in diagnose(folder).findings}
    write_score(folder, {"train": 0.3, "validation": 0.1, "test": 0.01})

    scored = diagnose(folder)

    assert not {"overfitting", "reading", "GPU"} & before
    assert find(scored, "overfitting").numbers["lost"] == pytest.approx(2 / 3)
    assert find(scored, "new days").state == "watch"


def test_a_run_whose_scores_or_manifest_cannot_be_read_is_named(tmp_path: Path) -> None:
    folder = write_run(tmp_path, tell(*RISING))
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

    assert "metrics.json is not readable as JSON" in find(cut, "scores").measured
    assert find(cut, "scores").advice == (f"kedro atft evaluate {folder.name} writes them anew",)
    assert {each.about for each in cut.findings} == {each.about for each in before.findings} | {"scores"}


def test_a_run_that_has_written_nothing_says_so(tmp_path: Path) -> None:
    folder = write_run(tmp_path, [])
    (folder / HEARTBEAT).unlink()

    with pytest.raises(InputError, match="has written nothing yet: it has not made its first step"):
        diagnose(folder)
