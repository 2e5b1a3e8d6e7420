"""Test ``kedro atft memory``."""

import json
import re
from pathlib import Path

import pytest

from atft_kedro.features.daily import CORE
from atft_kedro.features.wide import WIDE
from factories.project import SMALL, kedro

pytestmark = pytest.mark.slow


def test_the_estimate_lists_its_parts(ran_project: Path) -> None:
    output = kedro(ran_project, "atft", "memory", "--params", SMALL)
    wider = kedro(ran_project, "atft", "memory", "--params", f"{SMALL},features.set=wide")
    larger = kedro(ran_project, "atft", "memory", "--params", f"{SMALL},training.days_per_block=16")

    for part in ("Python and all libraries", "memory-mapped", "optimizer", "activations of a step, phase gat"):
        assert part in output
    assert "it fits" in output
    assert "blocks of 8 days x 24 stocks, fp32" in output
    assert "blocks of 16 days x 24 stocks" in larger
    assert f"7,200 observations x {len(WIDE)} features" in wider


def test_a_run_is_compared_with_its_estimate(ran_project: Path) -> None:
    output = kedro(ran_project, "atft", "memory", "latest")
    status = kedro(ran_project, "atft", "status")

    heartbeat = json.loads((ran_project / "data/06_models/runs/latest/heartbeat.json").read_text())
    peak = f"at most {heartbeat['peak_memory_gb']:.2f} GB"
    assert peak in output
    assert peak in status
    assert "│ source │ simulated (folder data) │" in status
    assert "│ champion │ run 2" in status
    assert re.search(r"estimate │ [\d.]+ GB, [\d.]+ times the measured peak", output)


def test_a_training_that_does_not_fit_is_reported_with_a_smaller_one(ran_project: Path) -> None:
    huge = "network.hidden_size=512,network.lookback=120,training.days_per_block=64"

    output = kedro(
        ran_project, "atft", "memory", "--stocks", "100000", "--days", "300", "--params", f"{SMALL},{huge}", fails=True
    )

    assert "it does not fit" in output
    assert f"30,000,000 observations x {len(CORE)} features" in output
    assert "With --params training.days_per_block=" in output or "smaller panel or a larger machine" in output


def test_a_training_on_a_gpu_elsewhere_can_be_estimated(ran_project: Path) -> None:
    output = kedro(ran_project, "atft", "memory", "--params", f"{SMALL},training.device=cuda")

    assert "GPU, GB" in output
    assert "panel, before it is copied to the GPU" in output


def test_without_a_panel_its_size_is_required(project: Path, tmp_path: Path) -> None:
    empty = f"{SMALL},data_root={tmp_path}"

    output = kedro(project, "atft", "memory", "--params", empty, fails=True)
    sized = kedro(project, "atft", "memory", "--stocks", "50", "--days", "200", "--params", empty)
    unknown_run = kedro(project, "atft", "memory", "unknown", "--params", empty, fails=True)
    no_stocks = kedro(project, "atft", "memory", "--stocks", "0", fails=True)

    assert "The project has no panel yet: give its size with --stocks and --days" in output
    assert f"10,000 observations x {len(CORE)} features" in sized
    assert "There is no run 'unknown'" in unknown_run
    assert "Invalid value for '--stocks'" in no_stocks
    assert "Traceback" not in output + unknown_run
