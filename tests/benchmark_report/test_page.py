"""Test the benchmark page, compared with the folders of its runs."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from atft_kedro.benchmark_report.page import build_benchmark_page, plot_cumulative, plot_rank_ics
from factories.benchmark_runs import compare, make_run
from factories.position_days import make_position_score


def test_the_page_holds_the_numbers_of_the_folders(returns: pl.DataFrame, tmp_path: Path) -> None:
    runs = [make_run(tmp_path / name, returns, share) for name, share in (("a", 0.5), ("b", 0.3))]

    scored = runs[0].score.model_copy(update={"positions": make_position_score()})
    runs[0] = replace(runs[0], score=scored)

    page = build_benchmark_page(runs, compare(runs), None, "kedro atft benchmarks a b")

    assert page.count("## After costs: positions on the test days") == 1
    score = runs[0].score.split["test"][1]
    assert f"rank IC of {score.rank_ic.mean:.4f} ± {score.rank_ic.se:.4f}" in page
    row = next(line for line in page.splitlines() if "| `b`, commit `" in line)
    assert f"{runs[1].score.split['test'][1].ic.mean:.4f} ± " in row
    daily = [pl.read_parquet(run.folder / "daily.parquet").filter(split="test", entry_lag=0) for run in runs]
    first, second = (
        daily[1].filter(forecaster=f"seed {seed}")["rank_ic"] - daily[0].filter(forecaster=f"seed {seed}")["rank_ic"]
        for seed in (7, 8)
    )
    assert f"| {((first + second) / 2).mean():+.4f} ± " in row
    assert ((first + second) / 2).mean() < 0
    assert runs[0].score.next_close is not None
    later = runs[0].score.next_close.split["test"][1]
    assert later.long_short is not None
    assert f"Entered at the next close, it has a rank IC of {later.rank_ic.mean:.4f} ± {later.rank_ic.se:.4f}" in page
    assert f"| {later.ic.mean:.4f} ± {later.ic.se:.4f} | {later.rank_ic.mean:.4f} ± " in page
    assert f"network, next close | long-short | {1e4 * later.long_short.gross_mean:.1f} (" in page
    assert "| as above | 2, 2 | 4 s | 0.1 min | 500 | 25.0% | one 2.0 s | cpu, 2 |" in page


def test_a_longer_history_has_its_own_tables_and_only_clear_differences_are_listed(
    returns: pl.DataFrame, tmp_path: Path
) -> None:
    shares = {"a": 0.3, "same": 0.3, "worse": 0.0, "longer": 0.6}
    runs = [make_run(tmp_path / name, returns, share) for name, share in shares.items()]
    train, *later = runs[3].manifest["split"]["date_ranges"]
    split = {"name": "split", "date_ranges": [train | {"first": "2001-01-01"}, *later]}
    runs[3] = replace(runs[3], manifest=runs[3].manifest | {"split": split})
    random_graph = runs[0].manifest["graph"] | {"kind": "random"}
    runs[2] = replace(runs[2], manifest=runs[2].manifest | {"graph": random_graph})

    page = build_benchmark_page(runs, compare(runs), None, "")

    score = runs[3].score.split["test"][1]
    assert f"Trained from 2001-01-01 on: Run `longer` has a rank IC of {score.rank_ic.mean:.4f} ± " in page
    assert "## Robustness, trained from 2001-01-01 on\n" in page
    assert "## Robustness, trained from 2001-01-01 on, entered at the next close\n" in page
    assert page.count("## Robustness") == 4
    clear = "2 standard errors from zero are: graph.kind = random (rank IC); graph.kind = random (IC); trained from "
    assert clear in page


def test_a_run_without_baselines_or_history_has_a_page(returns: pl.DataFrame, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", returns, share=0.5)
    score = run.score.model_copy(update={"baselines": {}, "seeds": {}, "next_close": None})

    page = build_benchmark_page([replace(run, score=score, history=[])], [], None, "kedro atft benchmarks run")

    assert "Difference to" not in page
    assert "| as above | – |" in page


def test_cumulative_rank_ics_are_those_at_the_ends_of_the_first_forecasters_months() -> None:
    days = [date(2024, 1, 30), date(2024, 1, 31), date(2024, 2, 1)]
    network = pl.DataFrame({"date": days, "rank_ic": [0.1, 0.2, -0.1]})
    later = pl.DataFrame({"date": days[2:], "rank_ic": [0.5]})

    lines = plot_cumulative({"network": network, "later": later}).splitlines()

    assert lines[2].strip() == 'title "Cumulative daily rank IC"'
    assert [line.strip() for line in lines[3:]] == [
        'x-axis ["2024-01", "2024-02"]',
        'y-axis "rank IC"',
        "line [0.0000, 0.5000]",
        "line [0.3000, 0.2000]",
        "```",
        "",
        "At the end, from top to bottom: later, network.",
    ]


@pytest.mark.parametrize(("rank_ics", "series"), [([0.01, 0.02], "bar [0.0100"), ([-0.01, -0.02], "line [-0.0100")])
def test_negative_rank_ics_are_plotted_as_a_line(rank_ics: list[float], series: str) -> None:
    assert series in plot_rank_ics("A title", ["one", "two"], rank_ics)
