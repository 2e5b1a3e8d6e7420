"""Returns after costs."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from atft_kedro.benchmark_report.costs_table import tabulate_run_costs
from factories.benchmark_runs import make_run


def test_costs_are_subtracted_in_proportion_to_the_turnover(returns: pl.DataFrame, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", returns, share=0.5)
    daily = pl.read_parquet(run.folder / "daily.parquet").filter(split="test", entry_lag=0, forecaster="network")
    gross, turnover = (daily[f"long_short_{name}"].drop_nulls().to_numpy() for name in ("gross", "turnover"))

    _, _, _, before, five, ten, mean_turnover, break_even = tabulate_run_costs(run).rows[0]

    net = gross - 5e-4 * turnover
    assert before.startswith(f"{1e4 * gross.mean():.1f} (")
    assert five == f"{1e4 * net.mean():.1f} ({net.mean() / net.std(ddof=1) * np.sqrt(252):.2f})"
    assert float(ten.split()[0]) == pytest.approx(1e4 * daily["long_short_net"].drop_nulls().mean(), abs=0.051)  # type: ignore[operator]
    assert mean_turnover == f"{turnover.mean():.2f}"
    assert float(break_even) == pytest.approx(1e4 * gross.mean() / turnover.mean(), abs=0.051)
