"""Runs as their folders tell them, made without training, and what is found of runs."""

import copy
import json
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from atft_kedro.diagnosis.check_result import Finding
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
RISING = (0.05, 0.07, 0.08, 0.085, 0.088, 0.089)  # rank ICs of a training that is in order
ADVISED = re.compile(r"((?:training|network)\.[\w.]+(?==)|training\.phases\[\d+\][\w.]+(?=:))(?:=|: )([^\s,]+)")


def find(diagnosis: Diagnosis, about: str) -> Finding:
    """Find what is said about one thing, once."""
    (found,) = (each for each in diagnosis.findings if each.about == about)
    return found


def list_causes(diagnosis: Diagnosis) -> set[str]:
    """List what is wrong for a reason of its own."""
    return {each.about for each in diagnosis.findings if each.state != "ok" and "may come of" not in each.advice[0]}


def tell_epoch(number: int, rank_ic: float, **told: Any) -> dict[str, Any]:
    """Tell of an epoch as the log does, a healthy one."""
    scores = {"rank_ic": rank_ic, "rank_ic_1d": rank_ic, "se_rank_ic_1d": 0.005, "scale": 0.1}
    usual = {"seed": 7, "phase": "one", "epoch": number, "epochs": number, "steps": STEPS * number, "best": rank_ic}
    usual |= {"validation": scores, "train": scores, "train_loss": 1 - 0.001 * number, "seconds": 5.0}
    return usual | {"forecasts_per_second": 1000.0, "cpu_seconds": 4.0, "peak_memory_gb": 1.0} | told


def tell_steps(number: int, **told: Any) -> Lines:
    """Tell of an epoch's steps as the log does; a function is asked for each step's number."""
    usual = {"loss": 1.0, "gradient": 0.3, "skipped": 0.0, "learning_rate": 1e-3, "seed": 7} | told
    first = STEPS * (number - 1) + 1
    return [
        {"step": step, **{name: value(step) if callable(value) else value for name, value in usual.items()}}
        for step in range(first, first + STEPS)
    ]


def tell(*rank_ics: float, steps: Any = None, **told: Any) -> Lines:
    """Tell of a training whose epochs reach these rank ICs; functions are asked for each epoch's or step's numbers."""
    lines: Lines = []
    for number, rank_ic in enumerate(rank_ics, start=1):
        mine = {name: value(number) if callable(value) else value for name, value in told.items()}
        lines += [*tell_steps(number, **(steps or {})), tell_epoch(number, rank_ic, **mine)]
    return lines


def write_run(folder: Path, lines: Lines, state: str = "done", size: int = 64, **params: Any) -> Path:
    """Write a run's folder with these lines in its log."""
    epochs = [line for line in lines if "train_loss" in line]
    phases = {"phases": [{"name": "one", "epochs": max(len(epochs), 1), "learning_rate": 1e-3}]}
    told = {"network": make_params(NetworkParams, hidden_size=size).model_dump(mode="json"), "device": "cpu"}
    training = make_params(TrainingParams, **(phases | params))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MANIFEST).write_text(json.dumps(told | {"training": training.model_dump(mode="json")}))
    (folder / METRICS).write_text("".join(json.dumps(line) + "\n" for line in lines))
    steps = STEPS * len(epochs)
    place = {
        "seed": lines[-1]["seed"] if lines else 7,
        "phase": "one",
        "epoch": len(epochs),
        "steps": steps,
        "best": 0.1,
        "metric": "rank IC",
    }
    beat = place | {"state": state, "pid": os.getpid(), "host": os.uname().nodename, "time": time.time()}
    beat |= {"epochs_of_phase": len(epochs), "total_steps": steps, "seconds_left": 0.0, "validation": {}}
    (folder / HEARTBEAT).write_text(json.dumps(beat))
    return folder


def write_score(folder: Path, rank_ic: dict[str, float], se: float = 0.01, **more: Any) -> None:
    """Write the score of a run whose forecasts over one day reach a rank IC in each part."""
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
    """Give forecasts over one day one mean for every metric, and no books."""
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
    """Diagnose a run that wrote these lines."""
    return diagnose_followed(write_run(folder, lines, **params))


def diagnose_followed(folder: Path) -> Diagnosis:
    """Diagnose a run, and see that every parameter that is advised is one, and may be what is advised."""
    diagnosis, manifest = diagnose(folder), json.loads((folder / MANIFEST).read_text())
    for advice in (advice for found in diagnosis.findings for advice in found.advice):
        for name, value in ADVISED.findall(advice):
            *path, last = name.replace("[", ".").replace("]", "").split(".")
            changed = {block: copy.deepcopy(manifest[block]) for block in ("training", "network")}
            place: Any = changed
            for key in path:
                place = place[int(key) if key.isdigit() else key]
            assert last in place, advice
            place[last] = yaml.safe_load(value)
            TrainingParams.model_validate(changed["training"])
            NetworkParams.model_validate(changed["network"])
    return diagnosis
