"""A walk's record: the test days of all folds, scored as one; and how that is told."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from atft_kedro.evaluation.entries import collect_returns, returns_by_lag
from atft_kedro.evaluation.score import EvaluationParams, evaluate
from atft_kedro.panel.split import DateRange
from atft_kedro.walk_forward.page import draw_walk, number_folds, write_walk
from atft_kedro.walk_forward.score import JudgedWalk, pool_forecasts, score_walk
from atft_kedro.walk_forward.walk import TrainedFold, TrainedFolds

DAYS = [date(2020, 1, 1) + timedelta(days=number) for number in range(60)]
CODES = [f"S{number:02}" for number in range(20)]


def forecasts(first: int, last: int, seed: int, split: str = "test") -> pl.DataFrame:
    keys = pl.DataFrame({"date": DAYS[first:last]}).join(pl.DataFrame({"code": CODES}), how="cross")
    said = np.random.default_rng(seed).standard_normal(keys.height).astype(np.float32)
    columns = {"split": pl.lit(split), "horizon": pl.lit(1, pl.Int16), "forecast": said, "q50": said}
    return keys.with_columns(**columns)


def leave(folder: Path, name: str, *stretches: tuple[int, int], seed: int) -> TrainedFold:
    """Leave a fold's forecasts in its folder, validation days among them."""
    (folder / name).mkdir()
    tested = [forecasts(first, last, seed) for first, last in stretches]
    pl.concat([forecasts(0, 5, 9, "validation"), *tested]).write_parquet(folder / name / "forecasts.parquet")
    days = [DateRange(split="test", first=DAYS[a], last=DAYS[b - 1], days=b - a) for a, b in stretches]
    return TrainedFold(name=name, folder=name, tested=tuple(days))


@pytest.fixture
def dataset() -> pl.LazyFrame:
    keys = pl.DataFrame({"date": DAYS}).join(pl.DataFrame({"code": CODES}), how="cross")
    came = np.random.default_rng(1).standard_normal(keys.height) / 100
    return keys.with_columns(target_1d=pl.Series(came, dtype=pl.Float32)).lazy()


def judge(trained: TrainedFolds, folder: Path, dataset: pl.LazyFrame) -> JudgedWalk:
    pooled = pool_forecasts(trained, folder, dataset).collect()
    returns = returns_by_lag(collect_returns(dataset, pooled["date"], 0), 0)
    return score_walk(trained, folder, pooled, returns, EvaluationParams())


def test_the_record_is_the_test_days_of_all_folds_one_after_the_other(tmp_path: Path, dataset: pl.LazyFrame) -> None:
    folds = (leave(tmp_path, "one", (10, 30), seed=2), leave(tmp_path, "two", (30, 60), seed=3))
    trained = TrainedFolds(folds=folds)

    pooled = pool_forecasts(trained, tmp_path, dataset).collect()
    judged = judge(trained, tmp_path, dataset)

    whole = pl.concat([forecasts(10, 30, 2), forecasts(30, 60, 3)])
    came = dataset.select("date", "code", target="target_1d").collect()
    assert_frame_equal(pooled, whole.join(came, on=["date", "code"], maintain_order="left"), check_exact=True)
    assert judged.score.pooled == evaluate(whole, dataset.collect(), EvaluationParams()).horizons
    assert judged.score.days == (str(DAYS[10]), str(DAYS[59]))
    came = dataset.with_columns(pl.col("target_1d").shift(-1).over("code", order_by="date"))
    assert judged.score.next_close == evaluate(whole, came.collect(), EvaluationParams()).horizons
    alone = evaluate(forecasts(30, 60, 3), dataset.filter(pl.col("date") >= DAYS[30]).collect(), EvaluationParams())
    assert judged.score.folds[1].horizons == alone.horizons
    assert judged.score.folds[1].stocks == 20


def test_days_that_several_folds_test_have_the_mean_of_what_they_say(tmp_path: Path, dataset: pl.LazyFrame) -> None:
    folds = (leave(tmp_path, "one", (10, 20), (40, 50), seed=2), leave(tmp_path, "two", (15, 45), seed=3))
    trained = TrainedFolds(folds=folds)

    pooled = pool_forecasts(trained, tmp_path, dataset).collect()
    judged = judge(trained, tmp_path, dataset)

    one, two = (pl.read_parquet(tmp_path / name / "forecasts.parquet").filter(split="test") for name in ("one", "two"))
    both = one.join(two.select("date", "code", also="forecast"), on=["date", "code"])
    said = pooled.select("date", "code", "forecast").join(both.select("date", "code"), on=["date", "code"])
    assert pooled.height == len(one) + len(two) - len(both) == 40 * 20
    means = both.select("date", "code", forecast=pl.mean_horizontal("forecast", "also"))
    assert_frame_equal(said, means, check_row_order=False)
    rows = [line.split(" | ") for line in write_walk(judged.score).splitlines() if line.startswith("| one")]
    assert rows[0][1] == "2020-01-11 to 2020-01-20, 2020-02-10 to 2020-02-19"
    assert rows[0][-1] == "– |"  # days without a book would count as days without a return


def test_a_walk_is_told_as_a_page_a_picture_and_numbers(tmp_path: Path, dataset: pl.LazyFrame) -> None:
    good = leave(tmp_path, "one", (10, 30), seed=2)
    lost = TrainedFold(name="two", folder="two", tested=good.tested, reason="killed")
    judged = judge(TrainedFolds(folds=(good, lost)), tmp_path, dataset)

    page, numbers = write_walk(judged.score), dict(number_folds(judged.score))
    bars, later, line = draw_walk(judged.score, judged.daily).data

    told = judged.score.pooled[1]
    assert f"| one | 2020-01-11 to 2020-01-30 | 20 | 20 | same close* | {told.ic.mean:.4f} | {told.ic.se:.4f} |" in page
    assert "Failed, and in none of these numbers:\n\n  two: killed" in page
    assert list(numbers) == [0, 1]
    assert numbers[0]["walk/rank_ic_1d"] == numbers[1]["fold/rank_ic_1d"] == told.rank_ic.mean
    assert list(bars.y) == [told.rank_ic.mean]
    assert judged.score.next_close is not None
    beside = judged.score.next_close[1]
    assert f"| one | 2020-01-11 to 2020-01-30 | 20 | 20 | next close | {beside.ic.mean:.4f} |" in page
    assert f"| all | 2020-01-11 to 2020-01-30 | 20 |  | next close | {beside.ic.mean:.4f} |" in page
    assert numbers[0]["walk/next_close/rank_ic_1d"] == beside.rank_ic.mean != told.rank_ic.mean
    assert list(later.y) == [beside.rank_ic.mean]
    assert list(bars.error_y.array) == [2 * (told.rank_ic.se or 0)]
    assert line.y[-1] == pytest.approx(20 * (told.rank_ic.mean or 0))
