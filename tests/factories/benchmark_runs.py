"""Folders of runs whose forecasts contain a part of random returns."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from atft_kedro.benchmark_report.run_evidence import RunEvidence
from atft_kedro.evaluation.compare_baselines import score_run
from atft_kedro.evaluation.compare_runs import RunComparison, compare_runs, read_split_forecasts
from atft_kedro.evaluation.entries import collect_returns
from atft_kedro.evaluation.run_scores import read_all_returns
from atft_kedro.training.params import SelectionParams
from factories.forecasts import EVALUATION
from factories.params import make_params

PHASE = {"name": "one", "epochs": 2, "learning_rate": 0.1, "modules": ["fan", "gat"], "loss": {"mse": 1.0, "ic": 0.0}}
TRAINING = {
    "seeds": 2,
    "seed": 7,
    "without": [],
    "loss": None,
    "resume": None,
    "epochs": None,
    "phases": [PHASE],
    "selection": make_params(SelectionParams).model_dump(mode="json"),
}
SPLITS = {"train": "2024-01", "embargo": "2024-02", "validation": "2024-03", "test": "2024-04"}


def make_returns(stocks: int, days: list[date]) -> pl.DataFrame:
    random = np.random.default_rng(2)
    cells = pl.DataFrame({"date": days}).join(pl.DataFrame({"code": [f"S{n:04d}" for n in range(stocks)]}), how="cross")
    return cells.with_columns(
        target_1d=pl.Series(0.01 * random.normal(size=len(cells))), noise=pl.Series(random.normal(size=len(cells)))
    )


def make_forecasts(returns: pl.DataFrame, share: float, shift: int) -> pl.DataFrame:
    """Add a share of the returns to shifted noise; the later half of the days is tested."""
    days = returns["date"].unique().sort()
    is_validation = pl.col("date") < days[len(days) // 2]
    return returns.select(
        "date",
        "code",
        split=pl.when(is_validation).then(pl.lit("validation")).otherwise(pl.lit("test")),
        horizon=pl.lit(1, pl.Int16),
        forecast=share * 100 * pl.col("target_1d") + pl.col("noise").shift(shift).fill_null(0),
    )


def make_run(folder: Path, returns: pl.DataFrame, share: float, **training: Any) -> RunEvidence:
    """Write the folder of a run with two networks and two worse baselines."""
    folder.mkdir(parents=True)
    forecasts = make_forecasts(returns, share, 0)
    shares = {"ridge": 0.1, "lightgbm": 0.2, "seed 7": share / 2, "seed 8": share}
    others = pl.concat(
        make_forecasts(returns, other, 1 + number).select(pl.lit(name).alias("forecaster"), pl.all())
        for number, (name, other) in enumerate(shares.items())
    )
    realised = collect_returns(returns.lazy(), returns["date"], 0)
    score, daily = score_run(folder.name, forecasts, others, realised, EVALUATION, 0)
    realised.write_parquet(folder / "returns.parquet")
    (folder / "metrics.json").write_text(score.model_dump_json())
    daily.write_parquet(folder / "daily.parquet")
    targets = returns.select("date", "code", target="target_1d")
    forecasts.join(targets, on=["date", "code"]).write_parquet(folder / "forecasts.parquet")
    (folder / "manifest.json").write_text(json.dumps(_make_manifest(training)))
    epoch = {"phase": "one", "seconds": 2.0, "forecasts_per_second": 500.0, "reading_seconds": 0.5, "train_loss": 1.0}
    epochs = [(7, 1), (7, 1), (7, 2), (8, 1), (8, 2)]  # a resumed run has written one epoch twice
    lines = [json.dumps({"seed": seed, "epochs": number} | epoch) for seed, number in epochs]
    (folder / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    return RunEvidence.read(folder)


def _make_manifest(training: dict[str, Any]) -> dict[str, Any]:
    ranges = [
        {"split": split, "first": f"{month}-01", "last": f"{month}-05", "days": 5} for split, month in SPLITS.items()
    ]
    return {
        "split": {"name": "split", "date_ranges": ranges},
        "training": TRAINING | training,
        "network": {"hidden_size": 8},
        "graph": {"kind": "correlation", "neighbours": 10},
        "commit": "0123456789abcdef",
        "is_dirty": False,
        "features": 3,
        "feature_hash": "made",
        "panel": "made",
        "threads": 2,
        "device": "cpu",
        "versions": {"python": "3"},
    }


def compare(runs: list[RunEvidence]) -> list[RunComparison]:
    """Compare runs on their test days."""
    forecasts = {run.folder.name: read_split_forecasts(run.folder, "test") for run in runs}
    return compare_runs(forecasts, read_all_returns([run.folder for run in runs]), EVALUATION)
