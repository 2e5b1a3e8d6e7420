"""The page of all runs: a row for each, with its scores, diagnosis and role."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from atft_kedro.evaluation.run_scores import SCORE
from atft_kedro.export.champion import CHAMPION_FILE, ChampionRecord
from atft_kedro.export.experiments import HEADER, PAGE, write_experiments
from atft_kedro.training.runs import MANIFEST, METRICS, Runs
from factories.exports import Trained

NAMES = ("20260101-a", "20260201-b", "20260301-c")


@pytest.fixture
def runs(trained: Trained, tmp_path: Path) -> Runs:
    """Three scored runs; the second is the champion."""
    folder = tmp_path / "data" / "06_models" / "runs"
    for name in NAMES:
        shutil.copytree(trained.run, folder / name, ignore=shutil.ignore_patterns("gatfan_*"))
        score = trained.score.model_copy(update={"run": name})
        (folder / name / SCORE).write_text(score.model_dump_json())
    record = ChampionRecord(champion=NAMES[1])
    (folder.parent / CHAMPION_FILE).write_text(record.model_dump_json())
    return replace(trained.runs, folder=folder)


def read_rows(runs: Runs) -> list[dict[str, str]]:
    lines = (runs.folder.parent.parent / PAGE).read_text().splitlines()
    rows = [line.strip("| ").split(" | ") for line in lines if line.startswith("| 2")]
    return [dict(zip(HEADER, row, strict=True)) for row in rows]


def test_every_run_has_a_row_the_newest_first(runs: Runs, trained: Trained) -> None:
    with ThreadPoolExecutor(4) as pool:  # runs that end at the same time lose no line
        list(pool.map(lambda name: write_experiments(runs.folder / name), NAMES * 2))

    rows = read_rows(runs)
    scores = trained.score.entries[max(trained.score.entries)].split
    assert [row["run"] for row in rows] == list(reversed(NAMES))
    assert [row["role"] for row in rows] == ["–", "champion", "–"]
    assert {row["commit"] for row in rows} == {"abcdef012 with changes"}
    assert {row["validation rank IC"] for row in rows} == {f"{scores['validation'][1].rank_ic.mean:.4f}"}
    assert {row["test rank IC"] for row in rows} == {f"{scores['test'][1].rank_ic.mean:.4f}"}
    assert (rows[0]["date"], rows[0]["epochs"], rows[0]["starts from"]) == ("2026-03-01", "1", "–")


def test_only_the_changed_run_and_runs_without_a_score_are_diagnosed_again(runs: Runs) -> None:
    write_experiments(runs.folder / NAMES[0])
    before = [row["diagnosis"] for row in read_rows(runs)]
    (runs.folder / NAMES[0] / SCORE).unlink()
    for name in NAMES:
        (runs.folder / name / METRICS).unlink()  # nothing is left to diagnose

    write_experiments(runs.folder / NAMES[1])

    rows = read_rows(runs)
    assert "–" not in before
    assert rows[0]["diagnosis"] == before[0]
    assert [row["validation rank IC"] == "–" for row in rows] == [False, False, True]
    assert rows[1]["diagnosis"] != before[1] or rows[1]["diagnosis"] == "error"


def test_the_run_that_one_started_from_is_named_and_an_unreadable_one_is_left_out(runs: Runs) -> None:
    for name, changes in ((NAMES[2], {"refit_of": NAMES[1]}), (NAMES[1], {"init_from": NAMES[0]})):
        manifest = json.loads((runs.folder / name / MANIFEST).read_text())
        manifest["training"] |= changes
        (runs.folder / name / MANIFEST).write_text(json.dumps(manifest))
    write_experiments(runs.folder / NAMES[0])
    assert [row["starts from"] for row in read_rows(runs)] == [f"refit of {NAMES[1]}", NAMES[0], "–"]
    assert [row["epochs"] for row in read_rows(runs)] == ["1", "2", "1"]

    (runs.folder / NAMES[2] / MANIFEST).write_text('{"training": {}}')
    (runs.folder / NAMES[0] / SCORE).write_text("{}")
    write_experiments(runs.folder / NAMES[0])
    assert [row["run"] for row in read_rows(runs)] == [NAMES[1], NAMES[0]]
    assert read_rows(runs)[1]["test rank IC"] == "–"
