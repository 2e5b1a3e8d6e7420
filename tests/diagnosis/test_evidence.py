"""Test the checks of split sizes and baselines."""

import json
from pathlib import Path

import pytest

from atft_kedro.diagnosis.diagnosis import diagnose
from atft_kedro.panel.sizes import SizeParams, SplitSize
from atft_kedro.panel.split import Split
from atft_kedro.training.runs import MANIFEST
from factories.params import make_params
from factories.training_logs import (
    find_check,
    make_epoch_line,
    make_mean,
    make_step_lines,
    score_horizon,
    write_run,
    write_score,
)

PHASES = [{"name": name, "epochs": 1, "learning_rate": 1e-3} for name in ("first", "second", "third")]


def write_idle_phases(folder: Path, **sizes: SplitSize) -> Path:
    """Write a run whose later phases gained nothing, with splits of these sizes."""
    lines = []
    for number, (name, score) in enumerate(zip(("first", "second", "third"), (0.05, 0.04, 0.03), strict=True), start=1):
        lines += [*make_step_lines(number), make_epoch_line(number, score, phase=name, epoch=1)]
    write_run(folder, lines, phases=PHASES)
    split = Split.model_validate(
        {"name": "split", "date_ranges": (), "sizes": sizes, "needed": make_params(SizeParams)}
    )
    manifest = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps(manifest | {"split": split.model_dump(mode="json")}))
    return folder


def test_with_few_validation_days_phases_cannot_be_compared(tmp_path: Path) -> None:
    few = diagnose(write_idle_phases(tmp_path / "few", validation=SplitSize(days=16, stocks=31)))
    long = diagnose(write_idle_phases(tmp_path / "long", validation=SplitSize(days=500, stocks=45)))
    many = diagnose(write_idle_phases(tmp_path / "many", validation=SplitSize(days=110, stocks=184)))

    found = find_check(few, "validation days")
    assert found.message.startswith("validation: 16 days (recommended: 60) and 31 stocks a day")
    assert found.numbers["error"] == pytest.approx(0.0456, abs=1e-4)
    assert find_check(few, "phases").advice == ("may be caused by validation days: correct that first",)
    assert "validation days" in few.headline
    assert find_check(many, "phases").advice == ("training.phases: without second, third",)
    assert "validation days" not in {check.name for check in many.checks}
    assert find_check(long, "validation days").severity == "ok"
    assert find_check(long, "phases").advice == ("training.phases: without second, third",)


@pytest.mark.parametrize(("difference", "severity"), [(-0.012, "warn"), (-0.006, "ok")])
def test_a_better_baseline_is_listed_with_its_standard_error(tmp_path: Path, difference: float, severity: str) -> None:
    folder = write_idle_phases(tmp_path)
    better = {"score": score_horizon(make_mean(0.1)), "differences": {"rank_ic": make_mean(difference, 0.004)}}
    worse = better | {"differences": {"rank_ic": make_mean(0.03, 0.004)}}
    write_score(folder, {"test": 0.1}, baselines={"ridge": {"test": {"h1": better}}, "zero": {"test": {"h1": worse}}})

    found = find_check(diagnose(folder), "baselines")

    t = "-3.0" if severity == "warn" else "-1.5"
    assert found.severity == severity
    assert found.message.endswith(f"ridge over 1 d on the test days, difference {difference:.4f} ± 0.0040 (t {t})")
