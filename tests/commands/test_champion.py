"""Test the commands that show, replace and restore the champion."""

import json
from pathlib import Path

import polars as pl
import pytest

from factories.project import SMALL, kedro

PARAMS = ("--params", SMALL)
OTHER = ("--params", f"{SMALL},training.seed=11")


def read_champion(project: Path) -> dict[str, str | None]:
    record = json.loads((project / "data" / "06_models" / "champion.json").read_text())
    return {role: record[role] for role in ("champion", "challenger")}


@pytest.mark.slow
def test_the_first_run_is_the_champion_and_force_needs_a_reason(ran_project: Path) -> None:
    run = (ran_project / "data" / "06_models" / "runs" / "latest").resolve().name

    shown = kedro(ran_project, "atft", "champion", *PARAMS)
    again = kedro(ran_project, "atft", "promote", "latest", *PARAMS, fails=True)
    forced = kedro(ran_project, "atft", "promote", run, "--force", *PARAMS, fails=True)
    back = kedro(ran_project, "atft", "rollback", "--reason", "test", *PARAMS, fails=True)

    assert f"champion: {run}; challenger: none" in shown
    assert "the first candidate" in shown
    assert f"Run {run} is already the champion" in again
    assert "--force needs a reason" in forced
    assert "There is no earlier champion" in back
    assert "There is nothing to remove: 1 runs are kept" in kedro(ran_project, "atft", "prune", *PARAMS)
    assert read_champion(ran_project) == {"champion": run, "challenger": None}


@pytest.mark.long
def test_an_ablation_and_a_smoke_run_do_not_become_the_live_model(ran_project: Path, tmp_path: Path) -> None:
    runs = ran_project / "data" / "06_models" / "runs"

    def train(*words: str) -> str:
        kedro(ran_project, "run", *words)
        return (runs / "latest").resolve().name

    def forecast() -> tuple[str, list[str]]:
        kedro(ran_project, "run", "--pipelines", "predict", *PARAMS)
        journal = pl.read_parquet(ran_project / "data" / "07_model_output" / "journal" / "*.parquet")
        summary = json.loads((ran_project / "data" / "07_model_output" / "predictions.json").read_text())
        return summary["run"], sorted(journal["role"].unique())

    first = (runs / "latest").resolve().name
    ablation = train("--params", f"{SMALL},training.without=gat")
    smoke = train("--params", f"{SMALL},training.epochs=null,training.steps_per_phase=2")
    assert len({first, ablation, smoke}) == 3
    assert forecast() == (first, ["challenger", "champion"])
    assert read_champion(ran_project) == {"champion": first, "challenger": ablation}

    gate = kedro(ran_project, "atft", "promote", ablation, "--params", f"{SMALL},champion.min_t=-99")
    assert f"champion: {ablation}; challenger: {first}" in gate
    assert "lead in rank IC met" in gate
    assert "is a smoke run" in kedro(ran_project, "atft", "promote", smoke, *PARAMS, fails=True)
    assert forecast()[0] == ablation
    kedro(ran_project, "atft", "rollback", "--reason", "it was a test", *PARAMS)
    assert forecast()[0] == first
    refused = kedro(ran_project, "atft", "promote", ablation, "--params", f"{SMALL},champion.min_t=99", fails=True)
    assert "is not promoted: it fails lead in rank IC" in refused
    forced = kedro(ran_project, "atft", "promote", ablation, "--force", "--reason", "a trial", *PARAMS)
    assert f"champion: {ablation}" in forced
    history = json.loads((ran_project / "data" / "06_models" / "champion.json").read_text())["history"]
    assert [change["how"] for change in history] == ["first", "gate", "rollback", "forced"]
    assert history[1]["verdict"]["challenger"] == ablation
    assert history[3]["reason"] == "a trial"
