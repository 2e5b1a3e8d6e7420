"""Runs as their folders tell them, of forecasts that know a part of random returns."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from atft_kedro.benchmark_report.run_evidence import Evidence
from atft_kedro.evaluation.compare_baselines import score_run
from atft_kedro.evaluation.entries import collect_returns
from factories.forecasts import EVALUATION

PHASE = {"name": "one", "epochs": 2, "learning_rate": 0.1, "modules": ["fan", "gat"], "loss": {"mse": 1.0, "ic": 0.0}}
TRAINING = {
    "selection": {"metric": "rank_ic", "horizon_weights": None, "cost_bp": 10.0},
    "seeds": 2,
    "seed": 7,
    "without": [],
    "loss": None,
    "resume": None,
    "epochs": None,
    "phases": [PHASE],
}


def draw_returns(stocks: int, days: list[date]) -> pl.DataFrame:
    random = np.random.default_rng(2)
    cells = pl.DataFrame({"date": days}).join(pl.DataFrame({"code": [f"S{n:04d}" for n in range(stocks)]}), how="cross")
    return cells.with_columns(
        target_1d=pl.Series(0.01 * random.normal(size=len(cells))), noise=pl.Series(random.normal(size=len(cells)))
    )


def make_run(folder: Path, returns: pl.DataFrame, skill: float, **training: Any) -> Evidence:
    """Write a run that knows a part of the returns, beside two baselines that know less, and two networks."""
    folder.mkdir(parents=True)
    days = returns["date"].unique().sort()
    half = days[len(days) // 2]

    def say(share: float, turn: int, name: str | None = None) -> pl.DataFrame:
        said = returns.select(
            "date",
            "code",
            split=pl.when(pl.col("date") < half).then(pl.lit("validation")).otherwise(pl.lit("test")),
            horizon=pl.lit(1, pl.Int16),
            forecast=share * 100 * pl.col("target_1d") + pl.col("noise").shift(turn).fill_null(0),
        )
        return said if name is None else said.select(pl.lit(name).alias("forecaster"), pl.all())

    forecasts = say(skill, 0)
    names = {"ridge": 0.1, "lightgbm": 0.2, "seed 7": skill / 2, "seed 8": skill}
    rivals = pl.concat(say(share, 1 + turn, name) for turn, (name, share) in enumerate(names.items()))
    came = collect_returns(returns.lazy(), returns["date"], 0)
    score, daily = score_run(folder.name, forecasts, rivals, came, EVALUATION, 0)
    came.write_parquet(folder / "returns.parquet")
    (folder / "metrics.json").write_text(score.model_dump_json())
    daily.write_parquet(folder / "daily.parquet")
    forecasts.join(returns.select("date", "code", target="target_1d"), on=["date", "code"]).write_parquet(
        folder / "forecasts.parquet"
    )
    stretches = [("train", "2024-01"), ("embargo", "2024-02"), ("validation", "2024-03"), ("test", "2024-04")]
    manifest = {
        "split": {
            "name": "split",
            "date_ranges": [
                {"split": role, "first": f"{month}-01", "last": f"{month}-05", "days": 5} for role, month in stretches
            ],
        },
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
    (folder / "manifest.json").write_text(json.dumps(manifest))
    epoch = {"phase": "one", "seconds": 2.0, "forecasts_per_second": 500.0, "reading_seconds": 0.5, "train_loss": 1.0}
    epochs = [(7, 1), (7, 1), (7, 2), (8, 1), (8, 2)]  # one is told twice, by a run that went on
    lines = [json.dumps({"seed": seed, "epochs": number} | epoch) for seed, number in epochs]
    (folder / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    return Evidence.read(folder)
