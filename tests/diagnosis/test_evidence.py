"""What scores can say at all: nothing of phases on a few days, and where a baseline is ahead."""

import json
from pathlib import Path

import pytest

from atft_kedro.diagnosis.diagnosis import diagnose
from atft_kedro.panel.sizes import SizeParams, SplitSize
from atft_kedro.panel.split import Split
from atft_kedro.training.runs import MANIFEST
from factories.training_logs import find, make_mean, score_horizon, tell_epoch, tell_steps, write_run, write_score

PHASES = [{"name": name, "epochs": 1, "learning_rate": 1e-3} for name in ("first", "second", "third")]


def write_idle_phases(folder: Path, **sizes: SplitSize) -> Path:
    """Write a run whose later phases gave nothing, on parts of these sizes."""
    lines = []
    for number, (name, score) in enumerate(zip(("first", "second", "third"), (0.05, 0.04, 0.03), strict=True), start=1):
        lines += [*tell_steps(number), tell_epoch(number, score, phase=name, epoch=1)]
    write_run(folder, lines, phases=PHASES)
    split = Split.model_validate({"name": "split", "date_ranges": (), "sizes": sizes, "needed": SizeParams()})
    manifest = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps(manifest | {"split": split.model_dump(mode="json")}))
    return folder


def test_few_validation_days_are_no_evidence_against_a_phase(tmp_path: Path) -> None:
    few = diagnose(write_idle_phases(tmp_path / "few", validation=SplitSize(days=16, stocks=31)))
    long = diagnose(write_idle_phases(tmp_path / "long", validation=SplitSize(days=500, stocks=45)))
    many = diagnose(write_idle_phases(tmp_path / "many", validation=SplitSize(days=110, stocks=184)))

    found = find(few, "validation days")
    assert found.measured.startswith("validation: 16 days (recommended: 60) and 31 stocks a day")
    assert found.numbers["error"] == pytest.approx(0.0456, abs=1e-4)
    assert find(few, "phases").advice == ("may come of validation days: mend that first",)
    assert "validation days" in few.headline
    assert find(many, "phases").advice == ("training.phases: without second, third",)
    assert "validation days" not in {each.about for each in many.findings}
    assert find(long, "validation days").state == "ok"
    assert find(long, "phases").advice == ("training.phases: without second, third",)


@pytest.mark.parametrize(("lead", "state"), [(-0.012, "watch"), (-0.006, "ok")])
def test_a_baseline_that_is_ahead_is_named_with_its_error(tmp_path: Path, lead: float, state: str) -> None:
    folder = write_idle_phases(tmp_path)
    rival = {"score": score_horizon(make_mean(0.1)), "differences": {"rank_ic": make_mean(lead, 0.004)}}
    behind = rival | {"differences": {"rank_ic": make_mean(0.03, 0.004)}}
    write_score(folder, {"test": 0.1}, baselines={"ridge": {"test": {"h1": rival}}, "zero": {"test": {"h1": behind}}})

    found = find(diagnose(folder), "baselines")

    t = "-3.0" if state == "watch" else "-1.5"
    assert found.state == state
    assert found.measured.endswith(f"ridge over 1 d on the test days, by {lead:.4f} ± 0.0040 (t {t})")
