"""The page of a benchmark against what lies in the runs' folders."""

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from atft_kedro.benchmark_report.costs_table import tabulate_costs
from atft_kedro.benchmark_report.figures import draw_heights, draw_sums
from atft_kedro.benchmark_report.page import write_benchmarks
from atft_kedro.benchmark_report.published_columns import is_published, tabulate_columns
from atft_kedro.benchmark_report.random_baseline import try_luck
from atft_kedro.benchmark_report.run_diff import name_difference
from atft_kedro.benchmark_report.run_evidence import Evidence
from atft_kedro.benchmark_report.tables import tabulate_beside, tabulate_hold, tabulate_horizons
from atft_kedro.evaluation.compare_runs import compare_runs, read_split_forecasts
from atft_kedro.evaluation.run_scores import read_all_returns
from atft_kedro.params import InputError
from factories.benchmark_runs import PHASE, draw_returns, make_run
from factories.forecasts import EVALUATION

DAYS, TEST, STOCKS = 120, 60, 30
PUBLISHED = date(2016, 12, 30), date(2017, 12, 7)  # forecasts of the published days


@pytest.fixture(scope="module")
def returns() -> pl.DataFrame:
    return draw_returns(STOCKS, [date(2024, 1, 1) + timedelta(days=day) for day in range(DAYS)])


def test_the_halves_are_halves_and_the_leads_are_the_mean_of_the_days(returns: pl.DataFrame, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", returns, skill=0.5)
    daily = pl.read_parquet(run.folder / "daily.parquet").filter(split="test", entry_lag=0)
    mine, ridge = (daily.filter(forecaster=name).sort("date") for name in ("network", "ridge"))

    grid = tabulate_hold(run, 1)

    rows = {str(row[0]): row for row in grid.rows}
    first = next(row for title, row in rows.items() if title.startswith("first half"))
    second = next(row for title, row in rows.items() if title.startswith("second half"))
    assert first[1] == f"{mine['ic'][: TEST // 2].mean():.4f}"
    assert second[1] == f"{mine['ic'][TEST // 2 :].mean():.4f}"
    lead = (mine["ic"] - ridge["ic"])[: TEST // 2].mean()
    place = grid.header.index("ahead of ridge in IC")
    assert first[place].startswith(f"{lead:+.4f} ± ")
    assert float(rows["network 7 alone"][1]) < float(rows["network 8 alone"][1])


def test_costs_are_taken_off_what_was_traded(returns: pl.DataFrame, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", returns, skill=0.5)
    book = pl.read_parquet(run.folder / "daily.parquet").filter(split="test", entry_lag=0, forecaster="network")
    gross, turnover = (book[f"long_short_{what}"].drop_nulls().to_numpy() for what in ("gross", "turnover"))

    _, _, _, before, five, ten, told, even = tabulate_costs(run).rows[0]

    net = gross - 5e-4 * turnover
    assert before.startswith(f"{1e4 * gross.mean():.1f} (")
    assert five == f"{1e4 * net.mean():.1f} ({net.mean() / net.std(ddof=1) * np.sqrt(252):.2f})"
    assert float(ten.split()[0]) == pytest.approx(1e4 * book["long_short_net"].drop_nulls().mean(), abs=0.051)  # type: ignore[operator]
    assert told == f"{turnover.mean():.2f}"
    assert float(even) == pytest.approx(1e4 * gross.mean() / turnover.mean(), abs=0.051)


def test_luck_has_no_ic_and_half_of_the_best_ten_rise(returns: pl.DataFrame) -> None:
    luck = try_luck(returns.select("date", "code", target="target_1d"))

    (ic, apart), (hit, _) = luck.spread("ic"), luck.spread("precision")

    assert abs(ic) < 3 * apart / np.sqrt(len(luck.drawn))
    assert hit == pytest.approx(0.5, abs=0.02)


def test_runs_are_named_by_what_differs(returns: pl.DataFrame, tmp_path: Path) -> None:
    first = make_run(tmp_path / "first", returns, skill=0.5, without=["fan"]).manifest

    def name(**changes: Any) -> str:
        return name_difference(first | changes, first)

    def trained(**changes: Any) -> str:
        return name(training=first["training"] | changes)

    begun, *later = first["split"]["date_ranges"]
    longer = {"name": "split", "date_ranges": [begun | {"first": "2001-01-01"}, *later]}
    shorter = {"name": "split", "date_ranges": [begun, *later[:-1], later[-1] | {"last": "2024-04-04"}]}
    faster = [PHASE | {"learning_rate": 0.5, "loss": {"mse": 1.0, "ic": 2.0}}]
    assert trained(resume="first", seeds=3) == "the same again"
    assert trained(without=[]) == "with fan"
    assert trained(without=["gat", "fan"], loss={"mse": 1.0, "ic": 0.0}) == "without gat, training.loss = 1 mse"
    assert trained(phases=faster) == (
        "training.phases.one.learning_rate = 0.5, training.phases.one.loss = 1 mse + 2 ic"
    )
    late = {"name": "late", "epochs": 3, "newest_days": 756, "learning_rate": 0.1}
    assert trained(phases=[PHASE | {"epochs": 1, "learning_rate": 0.5}, PHASE | late]) == (
        "phases one (1 epochs) then late (3 epochs of the newest 756 days), training.phases.one.learning_rate = 0.5"
    )
    assert trained(labels={"transform": "zscore"}) == "training.labels.transform = zscore"
    assert name(split=longer, panel="other") == "trained from 2001-01-01"
    assert name(split=shorter) == "other days"
    assert name(graph={"kind": "random", "neighbours": 10}) == "graph.kind = random"
    assert name(features=158, feature_hash="wide", panel="other") == "other features"
    assert name(panel="other") == "other data"


def test_the_page_holds_the_folders_numbers(returns: pl.DataFrame, tmp_path: Path) -> None:
    runs = [make_run(tmp_path / name, returns, skill) for name, skill in (("a", 0.5), ("b", 0.3))]
    said = {run.folder.name: read_split_forecasts(run.folder, "test") for run in runs}

    page = write_benchmarks(
        runs,
        compare_runs(said, read_all_returns([run.folder for run in runs]), EVALUATION),
        None,
        "kedro atft benchmarks a b",
    )

    told = runs[0].score.split["test"][1]
    assert f"rank IC of {told.rank_ic.mean:.4f} ± {told.rank_ic.se:.4f}" in page
    other = next(line for line in page.splitlines() if "| `b`, commit `" in line)
    assert f"{runs[1].score.split['test']['h1'].ic.mean:.4f} ± " in other
    assert other.split("|")[8].strip().startswith("-")  # it knows less, and is behind
    daily = [pl.read_parquet(run.folder / "daily.parquet").filter(split="test", entry_lag=0) for run in runs]
    alone = [
        daily[1].filter(forecaster=f"seed {seed}")["rank_ic"] - daily[0].filter(forecaster=f"seed {seed}")["rank_ic"]
        for seed in (7, 8)
    ]
    assert other.split("|")[8].strip().startswith(f"{((alone[0] + alone[1]) / 2).mean():+.4f} ± ")
    later = runs[0].score.next_close
    assert later is not None
    beside = later.split["test"][1].rank_ic
    assert f"Entered at the next close, it has a rank IC of {beside.mean:.4f} ± {beside.se:.4f}" in page
    assert (
        f"| {later.split['test']['h1'].ic.mean:.4f} ± {later.split['test']['h1'].ic.se:.4f} | {beside.mean:.4f} ± "
        in page
    )
    assert f"ours, next close | long-short | {1e4 * later.split['test']['h1'].long_short.gross_mean:.1f} (" in page  # type: ignore[union-attr]
    assert "| as above | 2, 2 | 4 s | 0.1 min | 500 | 25.0% | one 2.0 s | cpu, 2 |" in page


def test_a_longer_past_is_told_beside_the_first_and_only_clear_leads_are_called_so(
    returns: pl.DataFrame, tmp_path: Path
) -> None:
    skills = {"a": 0.3, "same": 0.3, "worse": 0.0, "longer": 0.6}
    runs = [make_run(tmp_path / name, returns, skill) for name, skill in skills.items()]
    begun, *later = runs[3].manifest["split"]["date_ranges"]
    split = {"name": "split", "date_ranges": [begun | {"first": "2001-01-01"}, *later]}
    runs[3] = replace(runs[3], manifest=runs[3].manifest | {"split": split})
    runs[2] = replace(runs[2], manifest=runs[2].manifest | {"graph": runs[0].manifest["graph"] | {"kind": "random"}})

    said = {run.folder.name: read_split_forecasts(run.folder, "test") for run in runs}
    page = write_benchmarks(
        runs, compare_runs(said, read_all_returns([run.folder for run in runs]), EVALUATION), None, ""
    )

    told = runs[3].score.split["test"][1]
    assert f"Trained from 2001-01-01 on: Run `longer` has a rank IC of {told.rank_ic.mean:.4f} ± " in page
    assert "## Does it hold, trained from 2001-01-01 on?" in page
    assert "## Does it hold, trained from 2001-01-01 on, entered at the next close?" in page
    assert page.count("## Does it hold") == 4
    assert (
        "2 of its errors from zero is: graph.kind = random (rank IC); graph.kind = random (IC); trained from " in page
    )


def test_a_network_that_is_clearly_behind_is_not_counted_as_ahead(returns: pl.DataFrame, tmp_path: Path) -> None:
    behind = tabulate_hold(make_run(tmp_path / "behind", returns, skill=-0.5), 1)

    assert (
        "Ahead of ridge in rank IC in 0 of 2 halves and in 0 of 2 networks alone (0 by over 2 errors)." in behind.note
    )


def test_published_rows_stand_beside_their_own_stocks_and_days_alone(returns: pl.DataFrame, tmp_path: Path) -> None:
    before = [date(2016, 12, day) for day in (20, 21, 22)]  # validation days
    days = [*before, PUBLISHED[0], date(2017, 6, 1), PUBLISHED[1]]
    theirs, half = (make_run(tmp_path / str(stocks), draw_returns(stocks, days), 0.1) for stocks in (1026, 513))
    other = make_run(tmp_path / "other", returns, 0.1)

    assert is_published(theirs)
    assert not is_published(half)
    assert not is_published(other)
    luck = try_luck(returns.select("date", "code", target="target_1d"))
    assert any("StockMixer" in row[0] for row in tabulate_columns([theirs], luck).rows)
    assert not any("StockMixer" in row[0] for row in tabulate_columns([other], luck).rows)


def test_networks_are_averaged_as_they_are_alone(returns: pl.DataFrame, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", returns, skill=0.5)
    alone = [parts["test"][1].score for parts in run.score.seeds.values()]
    means, ratios = [each.ic.mean or 0 for each in alone], [each.rank_ic.ir or 0 for each in alone]

    ours, spread, *_ = tabulate_beside(run, 1).rows

    assert ours[0] == "**mean of 2 networks**"
    assert spread[1] == f"{np.mean(means):.4f} ± {np.std(means, ddof=1):.4f}"
    assert spread[4] == f"{np.mean(ratios):.3f} ± {np.std(ratios, ddof=1):.3f}"


def test_every_horizon_has_its_leads(returns: pl.DataFrame, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", returns, skill=0.5)
    lead = run.score.baselines["lightgbm"]["test"][1].differences["rank_ic"]

    grid = tabulate_horizons(run)

    assert grid.rows[0][grid.header.index("ahead of lightgbm in rank IC")].startswith(
        f"{lead.mean:+.4f} ± {lead.se:.4f}"
    )


def test_sums_are_those_of_the_months_of_the_first() -> None:
    days = [date(2024, 1, 30), date(2024, 1, 31), date(2024, 2, 1)]
    ours = pl.DataFrame({"date": days, "rank_ic": [0.1, 0.2, -0.1]})
    late = pl.DataFrame({"date": days[2:], "rank_ic": [0.5]})

    drawn = draw_sums({"ours": ours, "late": late}).splitlines()

    assert drawn[2].strip() == 'title "Sum of the daily rank ICs"'
    assert [line.strip() for line in drawn[3:]] == [
        'x-axis ["2024-01", "2024-02"]',
        'y-axis "rank IC"',
        "line [0.0000, 0.5000]",
        "line [0.3000, 0.2000]",
        "```",
        "",
        "At the end, from above: late, ours.",
    ]


@pytest.mark.parametrize(("heights", "how"), [([0.01, 0.02], "bar [0.0100"), ([-0.01, -0.02], "line [-0.0100")])
def test_bars_that_would_not_begin_at_zero_are_a_line(heights: list[float], how: str) -> None:
    assert how in draw_heights("A title", ["one", "two"], heights)


def test_a_run_without_baselines_or_epochs_has_a_page(returns: pl.DataFrame, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", returns, skill=0.5)
    bare = Evidence(run.folder, run.manifest, run.score.model_copy(update={"baselines": {}, "seeds": {}}), [])

    page = write_benchmarks([bare], [], None, "kedro atft benchmarks run")

    assert "The daily differences" not in page
    assert "| as above | – |" in page


def test_a_run_whose_days_are_gone_is_refused(returns: pl.DataFrame, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", returns, skill=0.5)
    (run.folder / "daily.parquet").unlink()

    with pytest.raises(InputError, match="kedro atft evaluate run makes it"):
        Evidence.read(run.folder)
