"""The environment benchmark and its page: simulated prices, benchmark returns of some stocks and days."""

import json
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from atft_kedro.evaluation.baselines import BASELINES
from atft_kedro.market.simulated_drivers import MarketParams
from atft_kedro.market.simulation import simulate_market
from factories.params import make_params
from factories.project import kedro

pytestmark = pytest.mark.slow

STOCKS, BENCHMARK_STOCKS, DAYS, BENCHMARK_DAYS = 40, 30, 500, 360
QUICK = "training.epochs=5,training.seeds=2,network.hidden_size=16,baselines.lightgbm.rounds=10"


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write prices, and benchmark returns of 30 stocks that end ten days earlier."""
    folder = tmp_path_factory.mktemp("market")
    params = make_params(
        MarketParams, stocks=STOCKS, days=DAYS, seed=5, start=date(2011, 3, 1), late_listings=0, delistings=0
    )
    prices = simulate_market(params).prices.sort("code", "date").drop("sector", "vwap", strict=False)
    prices.write_parquet(folder / "prices.parquet")
    days = prices["date"].unique().sort()[-BENCHMARK_DAYS - 10 : -10]
    codes = prices["code"].unique().sort()[:BENCHMARK_STOCKS]
    cells = pl.DataFrame({"date": days}).join(pl.DataFrame({"code": codes}), how="cross")
    closes = cells.join(prices.select("date", "code", "close"), on=["date", "code"], how="left").sort("code", "date")
    returns = (pl.col("close") / pl.col("close").shift(1).over("code") - 1).fill_null(0)
    closes.select(
        "date", "code", pl.col("close").is_not_null().alias("observed"), returns.cast(pl.Float32).alias("return_1d")
    ).write_parquet(folder / "benchmark_returns.parquet")
    return folder


def test_one_run_scores_the_forecasts_by_the_benchmark_returns(project: Path, market: Path) -> None:
    paths = f"prices={market / 'prices.parquet'},benchmark_returns={market / 'benchmark_returns.parquet'}"

    kedro(project, "run", "--env", "benchmark", "--params", f"{paths},{QUICK}")

    run = project / "data" / "benchmark" / "06_models" / "runs" / "latest"
    score = json.loads((run / "metrics.json").read_text())
    benchmark_returns = pl.read_parquet(market / "benchmark_returns.parquet")
    forecasts = pl.read_parquet(run / "forecasts.parquet")
    test = forecasts.filter((pl.col("split") == "test") & (pl.col("horizon") == 1))
    benchmark_days = benchmark_returns["date"].unique().sort()
    known = test.drop_nulls("target")
    matched = known.join(
        pl.DataFrame({"date": benchmark_days[:-1], "next": benchmark_days[1:]}), on="date", how="inner"
    ).join(benchmark_returns.rename({"date": "next"}), on=["next", "code"])
    assert set(test["code"]) <= set(benchmark_returns["code"])
    assert test["date"].max() == benchmark_days[-2]
    assert test["date"].n_unique() == BENCHMARK_DAYS - round(0.607 * BENCHMARK_DAYS) - round(0.2025 * BENCHMARK_DAYS)
    assert len(matched) == len(known) > 0
    assert matched["observed"].all()
    assert (matched["target"] - matched["return_1d"]).abs().max() < 1e-6
    assert sorted(score["seeds"]) == ["7", "8"]
    assert set(score["published"]) == {"network", *BASELINES, "seed 7", "seed 8"}
    page = (run / "summary.md").read_text()
    assert "Each ensemble member on the test days" in page
    assert "Metrics as in published papers" in page


@pytest.mark.long
@pytest.mark.parametrize("mode", ["smoke", "safe", "classic", "production"])
def test_the_benchmark_works_in_every_mode(project: Path, market: Path, mode: str) -> None:
    paths = f"prices={market / 'prices.parquet'},benchmark_returns={market / 'benchmark_returns.parquet'}"
    one_step = QUICK.replace("training.epochs=5", "training.steps_per_phase=1")
    quick = f"{one_step},training.epochs=null,training.compile=false,workspace=benchmark_{mode}"

    kedro(project, "run", "--env", f"benchmark,{mode}", "--params", f"{paths},{quick}")

    run = project / "data" / f"benchmark_{mode}" / "06_models" / "runs" / "latest"
    assert "network" in json.loads((run / "metrics.json").read_text())["published"]


@pytest.mark.long
def test_the_page_holds_the_scores_of_the_runs_and_the_walk(project: Path, market: Path) -> None:
    paths = f"prices={market / 'prices.parquet'},benchmark_returns={market / 'benchmark_returns.parquet'}"
    walk = "folds.n_folds=2,folds.kind=expanding,folds.train_days=120,training.seeds=1"
    kedro(project, "run", "--env", "benchmark", "--params", f"{paths},{QUICK}")
    kedro(
        project, "run", "--env", "benchmark", "--params", f"{paths},{QUICK},training.without=fan gat,graph.neighbours=3"
    )
    kedro(project, "run", "--pipelines", "walk_forward", "--env", "benchmark", "--params", f"{paths},{QUICK},{walk}")
    folder = project / "data" / "benchmark" / "06_models" / "runs"
    runs = sorted(path.parent for path in folder.glob("2*/manifest.json"))
    first, second = (json.loads((run / "metrics.json").read_text())["split"]["test"]["h1"] for run in runs)

    kedro(project, "atft", "benchmarks", *(run.name for run in runs), "--env", "benchmark", "--params", paths)

    refused = kedro(project, "atft", "benchmarks", "--env", "benchmark", "--output", "README.md/page.md", fails=True)
    page = (project / "docs" / "benchmarks.md").read_text()
    row = next(line for line in page.splitlines() if f"| `{runs[1].name}`, commit " in line)
    assert f"rank IC of {first['rank_ic']['mean']:.4f} ± {first['rank_ic']['se']:.4f}" in page
    assert "without gat, graph.neighbours = 3" in row
    assert "each with 1 network that did not see its test days" in page
    assert f"{second['rank_ic']['mean']:.4f} ± {second['rank_ic']['se']:.4f}" in row
    for title in ("Protocol", "Robustness", "Returns after costs", "Walk: 1 d", "Training time"):
        assert f"\n## {title}\n" in page
    assert "StockMixer" not in page  # whose table is of another market
    assert page.count("```mermaid") == 2
    assert "README.md/page.md cannot be written" in refused
    assert "Traceback" not in refused


def test_missing_or_unreadable_benchmark_returns_are_refused(project: Path, market: Path) -> None:
    prices = f"prices={market / 'prices.parquet'}"
    text = market / "returns.txt"
    text.write_text("date,code\n")

    missing, unreadable = (
        kedro(project, "run", "--env", "benchmark", "--params", f"{prices},benchmark_returns={path}", fails=True)
        for path in ("no.parquet", text)
    )

    assert "no.parquet does not exist" in missing
    assert "returns.txt (benchmark returns) is not a complete parquet file" in unreadable
    assert "Traceback" not in missing + unreadable
