"""What is read from a run's folder."""

import json
from pathlib import Path

from atft_kedro.evaluation.targets import TargetParams, judge_targets
from atft_kedro.operations.watch import read_gradient
from atft_kedro.training.runs import METRICS


def test_a_skipped_step_with_an_infinite_norm_is_no_gradient_that_a_run_is_scored_by(tmp_path: Path) -> None:
    norms = [(0.3, 0.0), (float("inf"), 1.0), (float("nan"), 1.0), (0.2, 0.0)]
    lines = [{"step": step, "gradient": norm, "skipped": skipped} for step, (norm, skipped) in enumerate(norms)]
    (tmp_path / METRICS).write_text("".join(json.dumps(line) + "\n" for line in lines))

    goals = judge_targets({}, read_gradient(tmp_path), TargetParams())

    assert goals["gradient_norm"].reached == 0.3
