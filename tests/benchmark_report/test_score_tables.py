"""Test the tables of scores of a benchmark page."""

from pathlib import Path

import numpy as np
import polars as pl

from atft_kedro.benchmark_report.score_tables import tabulate_forecasters, tabulate_horizons, tabulate_robustness
from factories.benchmark_runs import make_run

TEST_DAYS = 60


def test_the_halves_are_halves_and_the_differences_are_means_of_days(returns: pl.DataFrame, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", returns, share=0.5)
    daily = pl.read_parquet(run.folder / "daily.parquet").filter(split="test", entry_lag=0)
    network, ridge = (daily.filter(forecaster=name).sort("date") for name in ("network", "ridge"))

    table = tabulate_robustness(run, 1)

    rows = {str(row[0]): row for row in table.rows}
    first = next(row for title, row in rows.items() if title.startswith("first half"))
    second = next(row for title, row in rows.items() if title.startswith("second half"))
    assert first[1] == f"{network['ic'][: TEST_DAYS // 2].mean():.4f}"
    assert second[1] == f"{network['ic'][TEST_DAYS // 2 :].mean():.4f}"
    difference = (network["ic"] - ridge["ic"])[: TEST_DAYS // 2].mean()
    assert first[table.header.index("minus ridge in IC")].startswith(f"{difference:+.4f} ± ")
    assert float(rows["network 7 alone"][1]) < float(rows["network 8 alone"][1])


def test_a_network_that_is_clearly_worse_is_not_counted_as_better(returns: pl.DataFrame, tmp_path: Path) -> None:
    table = tabulate_robustness(make_run(tmp_path / "worse", returns, share=-0.5), 1)

    count = "Higher rank IC than ridge in 0 of 2 halves and in 0 of 2 networks alone (0 by over 2 standard errors)."
    assert count in table.note


def test_single_networks_are_averaged(returns: pl.DataFrame, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", returns, share=0.5)
    scores = [splits["test"][1].score for splits in run.score.seeds.values()]
    means, ratios = [score.ic.mean or 0 for score in scores], [score.rank_ic.ir or 0 for score in scores]

    network, spread, *_ = tabulate_forecasters(run, 1).rows

    assert network[0] == "**mean of 2 networks**"
    assert spread[1] == f"{np.mean(means):.4f} ± {np.std(means, ddof=1):.4f}"
    assert spread[4] == f"{np.mean(ratios):.3f} ± {np.std(ratios, ddof=1):.3f}"


def test_every_horizon_has_its_differences(returns: pl.DataFrame, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", returns, share=0.5)
    difference = run.score.baselines["lightgbm"]["test"][1].differences["rank_ic"]

    table = tabulate_horizons(run)

    value = table.rows[0][table.header.index("minus lightgbm in rank IC")]
    assert value.startswith(f"{difference.mean:+.4f} ± {difference.se:.4f}")
