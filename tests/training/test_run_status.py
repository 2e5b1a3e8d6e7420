"""What is read from a run's folder."""

import json
from pathlib import Path

from atft_kedro.evaluation.goals import GoalParams, check_goals
from atft_kedro.training.run_status import read_max_gradient, read_status
from atft_kedro.training.runs import HEARTBEAT, METRICS
from factories.params import make_params
from factories.training_logs import make_log, write_run


def test_a_status_names_the_weights_of_each_score(tmp_path: Path) -> None:
    folder = write_run(tmp_path, make_log(0.05))
    beat = json.loads((folder / HEARTBEAT).read_text())
    scored = {"score": 0.05, "best": 0.08, "best_weights": "mean of the weights of the last 3 epochs"}
    (folder / HEARTBEAT).write_text(json.dumps(beat | scored))

    assert read_status(folder).rows()["validation rank IC"] == (
        "0.0500, averaged weights of the last epoch (best 0.0800: mean of the weights of the last 3 epochs)"
    )


def test_a_skipped_step_with_an_infinite_norm_is_no_gradient_that_a_run_is_scored_by(tmp_path: Path) -> None:
    norms = [(0.3, 0.0), (float("inf"), 1.0), (float("nan"), 1.0), (0.2, 0.0)]
    lines = [{"step": step, "gradient": norm, "skipped": skipped} for step, (norm, skipped) in enumerate(norms)]
    (tmp_path / METRICS).write_text("".join(json.dumps(line) + "\n" for line in lines))

    goals = check_goals({}, read_max_gradient(tmp_path), make_params(GoalParams))

    assert goals["gradient_norm"].value == 0.3
