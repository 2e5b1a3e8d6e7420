"""Test returns at the same close and at the next, compared with slow loops over made closes."""

import math
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
import torch
from scipy.stats import spearmanr

from atft_kedro.evaluation.align import index_returns
from atft_kedro.evaluation.compare_baselines import score_run
from atft_kedro.evaluation.entries import collect_returns, returns_by_lag
from atft_kedro.evaluation.portfolio import StaggeredPortfolio
from atft_kedro.evaluation.score import RunScore
from factories.forecasts import EVALUATION

DAYS, STOCKS = [date(2024, 1, 1) + timedelta(days=day) for day in range(60)], 25
HORIZONS = (1, 5)
Closes = dict[str, dict[date, float]]


def draw_closes() -> Closes:
    """Draw closes of stocks with missing days; one is listed late and one is delisted early."""
    random = np.random.default_rng(4)
    closes: Closes = {}
    for stock in range(STOCKS):
        walk = 50 * np.exp(np.cumsum(0.02 * random.standard_normal(len(DAYS))))
        seen = random.random(len(DAYS)) > 0.1
        seen[: 20 if stock == 3 else 0] = False
        seen[40 if stock == 5 else len(DAYS) :] = False
        closes[f"S{stock:02d}"] = {day: float(walk[n]) for n, day in enumerate(DAYS) if seen[n]}
    return closes


CLOSES = draw_closes()


def realised_return(
    code: str, day: date, horizon: int, entry_lag: int, delistings: dict[str, float] | None = None
) -> float | None:
    """Find the return from the close ``entry_lag`` of the stock's observations after a day."""
    own = sorted(CLOSES[code])
    place = own.index(day) + entry_lag
    if place + horizon >= len(own):
        if code not in (delistings or {}) or place >= len(own):
            return None
        return CLOSES[code][own[-1]] * (1 + (delistings or {})[code]) / CLOSES[code][own[place]] - 1
    return CLOSES[code][own[place + horizon]] / CLOSES[code][own[place]] - 1


def make_dataset(entry_lag: int, delistings: dict[str, float] | None = None) -> pl.DataFrame:
    """Make an ML dataset without prices; targets are entered after ``entry_lag`` observations."""
    rows = sorted((day, code) for code, closes in CLOSES.items() for day in closes)
    return pl.DataFrame(rows, schema=["date", "code"], orient="row").with_columns(
        pl.Series(f"target_{h}d", [realised_return(code, day, h, entry_lag, delistings) for day, code in rows])
        for h in HORIZONS
    )


@pytest.mark.parametrize("delistings", [None, {"S05": -1.0}])
@pytest.mark.parametrize("entry_lag", [0, 1, 2])
def test_returns_at_both_entries_match_the_closes(entry_lag: int, delistings: dict[str, float] | None) -> None:
    dataset = make_dataset(entry_lag, delistings)
    asked = pl.Series(DAYS[10:50])

    entries = returns_by_lag(collect_returns(dataset.lazy(), asked, entry_lag), entry_lag)

    assert sorted(entries) == sorted({0, 1, entry_lag})
    for lag, returns in entries.items():
        assert returns["date"].is_between(DAYS[10], DAYS[49]).all()
        assert len(returns) == len(dataset.filter(pl.col("date").is_between(DAYS[10], DAYS[49])))
        for row in returns.iter_rows(named=True):
            for horizon in HORIZONS:
                expected = realised_return(row["code"], row["date"], horizon, lag, delistings)
                before = lag < entry_lag and sorted(CLOSES[row["code"]]).index(row["date"]) < entry_lag - lag
                late = lag < entry_lag and expected is not None and before  # no earlier row holds it
                assert row[f"target_{horizon}d"] == (None if late else pytest.approx(expected)), (lag, row)


@pytest.fixture(scope="module")
def scored_run() -> tuple[RunScore, pl.DataFrame, pl.DataFrame]:
    """Score forecasts that contain a share of the returns at both entries."""
    dataset = make_dataset(0)
    random = np.random.default_rng(5)
    keys = dataset.filter(pl.col("date").is_between(DAYS[20], DAYS[50])).select("date", "code")
    tables = []
    for horizon in HORIZONS:
        known = [[realised_return(code, day, horizon, lag) or 0 for day, code in keys.rows()] for lag in (0, 1)]
        forecast = np.sum(known, axis=0) + 0.02 * random.standard_normal(len(keys))
        tables.append(keys.with_columns(split=pl.lit("test"), horizon=pl.lit(horizon, pl.Int16), forecast=forecast))
    forecasts = pl.concat(tables)
    one_baseline = forecasts.select(pl.lit("reversed").alias("forecaster"), pl.all()).with_columns(-pl.col("forecast"))
    returns = collect_returns(dataset.lazy(), forecasts["date"], 0)
    score, daily = score_run("mine", forecasts, one_baseline, returns, EVALUATION, 0)
    return score, daily, forecasts


@pytest.mark.parametrize("horizon", HORIZONS)
def test_a_run_is_scored_at_the_next_close_too(
    scored_run: tuple[RunScore, pl.DataFrame, pl.DataFrame], horizon: int
) -> None:
    score, daily, forecasts = scored_run
    expected = []
    for day, rows in forecasts.filter(horizon=horizon).partition_by("date", as_dict=True).items():
        pairs = [
            (forecast, realised_return(code, day[0], horizon, 1))
            for code, forecast in rows.select("code", "forecast").iter_rows()
        ]
        known = [(forecast, realised) for forecast, realised in pairs if realised is not None]
        expected.append(spearmanr(*zip(*known, strict=True)).statistic)

    assert score.next_close is not None
    scored = score.next_close.split["test"][horizon].rank_ic
    assert scored.mean == pytest.approx(np.mean(expected))
    assert scored.se is not None
    network_rows = {"forecaster": "network", "horizon": horizon}
    assert daily.filter(entry_lag=1, **network_rows)["rank_ic"].to_list() == pytest.approx(expected)
    own = score.split["test"][horizon].rank_ic.mean
    assert daily.filter(entry_lag=0, **network_rows)["rank_ic"].mean() == pytest.approx(own) != scored.mean
    lead = score.next_close.baselines["reversed"]["test"][horizon].differences["rank_ic"]
    assert lead.mean == pytest.approx(2 * np.mean(expected))
    assert lead.se == pytest.approx(2 * (scored.se or math.nan))


def test_a_portfolio_at_the_next_close_earns_the_following_days(
    scored_run: tuple[RunScore, pl.DataFrame, pl.DataFrame],
) -> None:
    score, _, forecasts = scored_run
    earned = []
    for day, rows in forecasts.filter(horizon=1).sort("date").partition_by("date", as_dict=True).items():
        order = rows.sort("forecast")["code"].to_list()
        decile = 2
        assert 16 <= len(order) <= 25  # of which a decile is the two stocks whose rank is within it
        realised = {code: realised_return(code, day[0], 1, 1) or 0 for code in order}
        earned.append(
            sum(realised[code] for code in order[-decile:]) / decile - sum(realised[c] for c in order[:decile]) / decile
        )

    assert score.next_close is not None
    book = score.next_close.split["test"][1].long_short
    assert book is not None
    assert book.gross_mean == pytest.approx(np.mean(earned) / 2)


def test_the_trained_entry_is_marked_and_the_score_is_read_back(
    scored_run: tuple[RunScore, pl.DataFrame, pl.DataFrame],
) -> None:
    score = scored_run[0]

    assert RunScore.model_validate_json(score.model_dump_json()) == score
    assert (list(score.entries), score.entry_lag, score.same_close) == ([0, 1], 0, None)
    assert score.entries[0].split == score.split


def test_returns_of_one_entry_alone_leave_the_other_unknown() -> None:
    dataset = make_dataset(0)
    forecast = dataset.select("date", "code", split=pl.lit("test"), horizon=pl.lit(1, pl.Int16), forecast="target_1d")
    no_baselines = forecast.clear().select(pl.lit("").alias("forecaster"), pl.all())

    score, _ = score_run("mine", forecast.drop_nulls(), no_baselines, dataset, EVALUATION, 0)

    assert (score.next_close, score.same_close) == (None, None)


@pytest.mark.parametrize("entry_lag", [0, 1])
def test_a_portfolio_loses_a_delisted_stock_once_on_its_last_day_with_a_known_return(entry_lag: int) -> None:
    earned = {}
    for name, delistings in {"unknown": None, "known": {"S05": -1.0}}.items():
        dataset = make_dataset(entry_lag, delistings)
        realised = index_returns(collect_returns(dataset.lazy(), pl.Series(DAYS), entry_lag))
        portfolio = StaggeredPortfolio(holding_days=5)
        portfolio.add_days(torch.full(realised.returns[1].shape, 1 / STOCKS).double(), realised.returns[1], None)
        earned[name] = portfolio.collect_trades().gross

    last = DAYS.index(sorted(CLOSES["S05"])[-1 - entry_lag])
    lost = earned["known"] - earned["unknown"]
    assert lost[last] == pytest.approx(-1 / STOCKS)
    assert np.flatnonzero(lost).tolist() == [last]
