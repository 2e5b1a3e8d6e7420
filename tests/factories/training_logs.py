"""Run folders with made-up training logs, and their diagnosis."""

import copy
import json
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from atft_kedro.diagnosis.check_result import TrainingCheck
from atft_kedro.diagnosis.diagnosis import Diagnosis, diagnose
from atft_kedro.evaluation.align import ExcludedForecasts
from atft_kedro.evaluation.daily_statistics import Mean
from atft_kedro.evaluation.run_scores import SCORE
from atft_kedro.evaluation.score import HorizonScore, RunScore
from atft_kedro.network.params import NetworkParams
from atft_kedro.training.params import TrainingParams
from atft_kedro.training.runs import HEARTBEAT, MANIFEST, METRICS
from factories.params import make_params

Train = Callable[..., Diagnosis]
Lines = list[dict[str, Any]]
STEPS = 40  # of an epoch
RISING = (0.05, 0.07, 0.08, 0.085, 0.088, 0.089)  # rank ICs of a healthy training
ADVISED = re.compile(r"((?:training|network)\.[\w.]+(?==)|training\.phases\[\d+\][\w.]+(?=:))(?:=|: )([^\s,]+)")


def find_check(diagnosis: Diagnosis, name: str) -> TrainingCheck:
    """Return the only check with a name."""
    (found,) = (check for check in diagnosis.checks if check.name == name)
    return found


def list_root_problems(diagnosis: Diagnosis) -> set[str]:
    """List the names of the problems that no other problem may cause."""
    problems = [check for check in diagnosis.checks if check.severity != "ok"]
    return {check.name for check in problems if "may be caused by" not in check.advice[0]}


def make_epoch_line(number: int, rank_ic: float, **values: Any) -> dict[str, Any]:
    """Make the log line of a healthy epoch, changed by ``values``."""
    scores = {"rank_ic": rank_ic, "rank_ic_1d": rank_ic, "se_rank_ic_1d": 0.005, "scale": 0.1}
    usual = {"seed": 7, "phase": "one", "epoch": number, "epochs": number, "steps": STEPS * number, "best": rank_ic}
    usual |= {"validation": scores, "train": scores, "train_loss": 1 - 0.001 * number, "seconds": 5.0}
    return usual | {"forecasts_per_second": 1000.0, "cpu_seconds": 4.0, "peak_memory_gb": 1.0} | values


def make_step_lines(number: int, **values: Any) -> Lines:
    """Make the log lines of an epoch's steps; a function as a value gets the step's number."""
    usual = {"loss": 1.0, "gradient": 0.3, "skipped": 0.0, "learning_rate": 1e-3, "seed": 7} | values
    first = STEPS * (number - 1) + 1
    return [
        {"step": step, **{name: value(step) if callable(value) else value for name, value in usual.items()}}
        for step in range(first, first + STEPS)
    ]


def make_log(*rank_ics: float, steps: Any = None, **values: Any) -> Lines:
    """Make a training's log with these rank ICs; functions as values get the number."""
    lines: Lines = []
    for number, rank_ic in enumerate(rank_ics, start=1):
        epoch = {name: value(number) if callable(value) else value for name, value in values.items()}
        lines += [*make_step_lines(number, **(steps or {})), make_epoch_line(number, rank_ic, **epoch)]
    return lines


def write_run(folder: Path, lines: Lines, state: str = "done", size: int = 64, **params: Any) -> Path:
    """Write a run folder with these lines in its log."""
    epochs = [line for line in lines if "train_loss" in line]
    phases = {"phases": [{"name": "one", "epochs": max(len(epochs), 1), "learning_rate": 1e-3}]}
    manifest = {"network": make_params(NetworkParams, hidden_size=size).model_dump(mode="json"), "device": "cpu"}
    training = make_params(TrainingParams, **(phases | params))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MANIFEST).write_text(json.dumps(manifest | {"training": training.model_dump(mode="json")}))
    (folder / METRICS).write_text("".join(json.dumps(line) + "\n" for line in lines))
    steps = STEPS * len(epochs)
    position = {
        "seed": lines[-1]["seed"] if lines else 7,
        "phase": "one",
        "epoch": len(epochs),
        "steps": steps,
        "best": 0.1,
        "metric": "rank IC",
    }
    heartbeat = position | {"state": state, "pid": os.getpid(), "host": os.uname().nodename, "time": time.time()}
    heartbeat |= {"epochs_of_phase": len(epochs), "total_steps": steps, "seconds_left": 0.0, "validation": {}}
    (folder / HEARTBEAT).write_text(json.dumps(heartbeat))
    return folder


def write_score(folder: Path, rank_ic: dict[str, float], se: float = 0.01, **more: Any) -> None:
    """Write the score of a run whose forecasts over one day have a given rank IC in each split."""
    counts = {"std": 0.1, "ir": 1.0, "nonoverlapping_mean": 0.1, "nonoverlapping_se": 0.01, "days": 100, "undefined": 0}
    split = {
        part: {"h1": score_horizon(Mean.model_validate(counts | {"mean": mean, "se": se}))}
        for part, mean in rank_ic.items()
    }
    days = dict.fromkeys(rank_ic, ("2024-01-01", "2024-05-01"))
    score = RunScore.model_validate({"run": folder.name, "split": split, "days": days} | more)
    (folder / SCORE).write_text(score.model_dump_json())


def make_mean(mean: float | None, se: float = 0.01, days: int = 100) -> Mean:
    return Mean(
        mean=mean, std=0.1, ir=1.0, se=se, nonoverlapping_mean=mean, nonoverlapping_se=se, days=days, undefined=0
    )


def score_horizon(mean: Mean) -> HorizonScore:
    """Make a horizon score with the same mean for every metric and no portfolios."""
    return HorizonScore(
        **dict.fromkeys(("ic", "rank_ic", "hit_rate", "scale"), mean),
        **dict.fromkeys(("deciles", "calibration"), ()),
        **dict.fromkeys(("long_short", "long_only", "stocks"), None),
        coverage={},
        decay={},
        forecasts=100,
        excluded=ExcludedForecasts(unknown=0, not_finite=0, unrealised=0),
    )


def diagnose_run(folder: Path, lines: Lines, **params: Any) -> Diagnosis:
    """Diagnose a run with these lines in its log."""
    return diagnose_checked(write_run(folder, lines, **params))


def assert_only_problem(folder: Path, name: str, severity: str, message: str, values: dict[str, Any]) -> None:
    """Assert that a log with these values has one problem, with advice."""
    phase = {"name": "one", "epochs": 6, "learning_rate": 1e-3, "modules": ["fan", "gat"]}
    diagnosis = diagnose_run(folder, make_log(*RISING, **values), phases=[phase])

    found = find_check(diagnosis, name)
    assert found.severity == severity
    assert message in found.message
    assert found.advice
    assert list_root_problems(diagnosis) == {name}


def diagnose_checked(folder: Path) -> Diagnosis:
    """Diagnose a run, and check that every advised parameter accepts the advised value."""
    diagnosis, manifest = diagnose(folder), json.loads((folder / MANIFEST).read_text())
    for advice in (advice for check in diagnosis.checks for advice in check.advice):
        for name, value in ADVISED.findall(advice):
            *path, last = name.replace("[", ".").replace("]", "").split(".")
            changed = {block: copy.deepcopy(manifest[block]) for block in ("training", "network")}
            block: Any = changed
            for key in path:
                block = block[int(key) if key.isdigit() else key]
            assert last in block, advice
            block[last] = yaml.safe_load(value)
            TrainingParams.model_validate(changed["training"])
            NetworkParams.model_validate(changed["network"])
    return diagnosis
