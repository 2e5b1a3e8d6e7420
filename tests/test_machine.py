"""What a training takes of its machine, as a person asks for it."""

import json
import re
from pathlib import Path

import pytest

from factories.project import SMALL, kedro

pytestmark = pytest.mark.slow


def test_memory_is_told_part_by_part_before_a_training(ran_project: Path) -> None:
    said = kedro(ran_project, "atft", "memory", "--params", SMALL)
    wider = kedro(ran_project, "atft", "memory", "--params", f"{SMALL},features.set=wide")
    larger = kedro(ran_project, "atft", "memory", "--params", f"{SMALL},training.days_per_block=16")

    for part in ("Python and all libraries", "panel, mapped", "optimizer", "activations of a step, phase gat"):
        assert part in said
    assert "it fits" in said
    assert "blocks of 8 days x 24 stocks, fp32" in said
    assert "blocks of 16 days x 24 stocks" in larger
    assert "7,200 observations x 434 features" in wider


def test_what_a_run_has_taken_stands_beside_what_it_was_to_take(ran_project: Path) -> None:
    said = kedro(ran_project, "atft", "memory", "latest")
    status = kedro(ran_project, "atft", "status")

    heartbeat = json.loads((ran_project / "data/06_models/runs/latest/heartbeat.json").read_text())
    peak = f"at most {heartbeat['peak_memory_gb']:.2f} GB"
    assert peak in said
    assert peak in status
    assert re.search(r"was to take │ [\d.]+ GB, [\d.]+ times that, from what the process held at the start", said)


def test_a_training_that_does_not_fit_is_told_of_with_one_that_does(ran_project: Path) -> None:
    huge = "network.hidden_size=512,network.lookback=120,training.days_per_block=64"

    said = kedro(
        ran_project, "atft", "memory", "--stocks", "100000", "--days", "300", "--params", f"{SMALL},{huge}", fails=True
    )

    assert "it does not fit" in said
    assert "30,000,000 observations x 59 features" in said
    assert "With --params training.days_per_block=" in said or "smaller panel or a larger machine" in said


def test_a_gpu_that_is_elsewhere_can_be_asked_for(ran_project: Path) -> None:
    said = kedro(ran_project, "atft", "memory", "--params", f"{SMALL},training.device=cuda")

    assert "GPU, GB" in said
    assert "panel, read once and copied" in said


def test_without_a_panel_its_size_has_to_be_said(project: Path, tmp_path: Path) -> None:
    nowhere = f"{SMALL},data_root={tmp_path}"

    said = kedro(project, "atft", "memory", "--params", nowhere, fails=True)
    sized = kedro(project, "atft", "memory", "--stocks", "50", "--days", "200", "--params", nowhere)
    unsaid = kedro(project, "atft", "memory", "nobody", "--params", nowhere, fails=True)
    unknown = kedro(project, "atft", "memory", "--stocks", "0", fails=True)

    assert "There is no panel yet: say how large it will be with --stocks and --days" in said
    assert "10,000 observations x 59 features" in sized
    assert "There is no run 'nobody'" in unsaid
    assert "Invalid value for '--stocks'" in unknown
    assert "Traceback" not in said + unsaid


def test_a_profile_is_written_and_told(ran_project: Path) -> None:
    said = kedro(ran_project, "atft", "profile", "--steps", "1", "--phase", "gat", "--params", SMALL)

    (folder,) = (ran_project / "data" / "08_reporting" / "profiles").iterdir()
    assert sorted(file.name for file in folder.iterdir()) == ["flame.html", "operations.md", "trace.json"]
    assert str(folder / "flame.html") in said
    assert "The 10 most expensive operations" in said
    assert "Phase gat: blocks of 8 days x 24 stocks, 59 features" in said
    assert "Profiler" not in said  # nor what its library says of itself


def test_a_profile_that_cannot_be_is_refused(ran_project: Path, tmp_path: Path) -> None:
    typo = kedro(ran_project, "atft", "profile", "--phase", "gta", fails=True)
    taken = kedro(ran_project, "atft", "profile", "--out", str(tmp_path), fails=True)
    nothing = kedro(ran_project, "atft", "profile", "--params", f"data_root={tmp_path / 'empty'}", fails=True)

    assert "There is no phase 'gta'; there are baseline, adaptive_norm, gat, finetune, augment." in typo
    assert "exists; a profile is written into a new folder" in taken
    assert "There is no panel at" in nothing
    assert "Traceback" not in typo + taken + nothing
