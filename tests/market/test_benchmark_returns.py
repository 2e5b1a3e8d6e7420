"""Benchmark returns: the forecast stocks, the next-day targets and the dates of the split."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from atft_kedro.market.benchmark_returns import BenchmarkReturns, read_benchmark_returns, replace_next_day_targets
from atft_kedro.panel.split import SplitParams, split_days
from atft_kedro.params import InputError
from atft_kedro.schema import CLOSE, CODE, DATE, ELIGIBLE
from factories.params import make_params

DAYS = [date(2020, 1, 6) + timedelta(days=day) for day in range(5)]  # a week
CLOSES = {"A": [10.0, 11.0, 12.1, 13.31, 14.641], "B": [20.0, None, 18.0, 9.0, 9.9]}


@pytest.fixture
def prices() -> pl.DataFrame:
    """Two stocks' closes with the next observation's return, as the ML dataset has it; B misses Tuesday."""
    table = pl.DataFrame({DATE: DAYS * 2, CODE: ["A"] * 5 + ["B"] * 5, CLOSE: CLOSES["A"] + CLOSES["B"]}).drop_nulls()
    ahead = pl.col(CLOSE).shift(-1).over(CODE) / pl.col(CLOSE) - 1
    return table.with_columns(ahead.cast(pl.Float32).alias("target_1d"))


@pytest.fixture
def benchmark() -> pl.LazyFrame:
    """Return a benchmark's file for Tuesday to Friday; its returns are 0 where a day or the day before is missing."""
    returns = [0.0, 0.1, 0.1, 0.1, 0.0, 0.0, -0.5, 0.1]
    observed = [True] * 4 + [False, True, True, True]
    table = {DATE: DAYS[1:] * 2, CODE: ["A"] * 4 + ["B"] * 4, "observed": observed, "return_1d": returns}
    return pl.LazyFrame(table)


def replace_targets(benchmark: pl.LazyFrame, prices: pl.DataFrame) -> dict[tuple[str, int], float | None]:
    """Return the one-day targets by code and day of the month, after the benchmark has replaced them."""
    returns = read_benchmark_returns(benchmark).list_next_day_returns(prices[DATE], entry_lag=0)
    return list_targets(replace_next_day_targets(prices, returns))


def list_targets(dataset: pl.DataFrame) -> dict[tuple[str, int], float | None]:
    """List the one-day targets by code and day of the month."""
    return {(code, day.day): value for day, code, value in dataset.select(DATE, CODE, "target_1d").iter_rows()}


def test_targets_are_replaced_where_both_days_were_observed(benchmark: pl.LazyFrame, prices: pl.DataFrame) -> None:
    targets = replace_targets(benchmark.with_columns(pl.col("return_1d") * 2), prices)

    assert targets["A", 7] == pytest.approx(0.2)  # Tuesday's forecast, Wednesday's return
    assert targets["B", 8] == pytest.approx(-1.0)
    assert targets["A", 6] == pytest.approx(0.1)  # before the benchmark begins: from the prices
    assert targets["B", 6] == pytest.approx(-0.1)
    assert targets["A", 10] is None  # no later day yet


def test_targets_are_null_where_either_day_was_not_observed(benchmark: pl.LazyFrame, prices: pl.DataFrame) -> None:
    unobserved = benchmark.with_columns(
        observed=pl.col("observed") & ~((pl.col(CODE) == "A") & (pl.col(DATE) == DAYS[3]))
    )

    targets = replace_targets(unobserved, prices)

    assert targets["A", 8] is None
    assert targets["A", 9] is None
    assert targets["A", 7] == pytest.approx(0.1)


def test_a_benchmark_that_agrees_with_the_prices_changes_no_target(
    benchmark: pl.LazyFrame, prices: pl.DataFrame
) -> None:
    assert replace_targets(benchmark, prices) == pytest.approx(list_targets(prices), abs=1e-6, nan_ok=True)


def test_only_the_benchmark_s_stocks_are_eligible_and_on_its_days_only_observed_ones(benchmark: pl.LazyFrame) -> None:
    keys = pl.DataFrame({DATE: DAYS * 3, CODE: ["A"] * 5 + ["B"] * 5 + ["C"] * 5})
    universe = keys.with_columns(pl.Series(ELIGIBLE, [True] * 15)).sample(fraction=1, shuffle=True, seed=1)
    universe = universe.with_columns(
        pl.col(ELIGIBLE) & (pl.col(DATE) != DAYS[4])
    )  # the universe already excludes a day

    restricted = read_benchmark_returns(benchmark).restrict_universe(universe)

    assert restricted.select(DATE, CODE).equals(universe.select(DATE, CODE))
    kept = restricted.filter(ELIGIBLE).sort(CODE, DATE)
    assert kept.filter(pl.col(CODE) == "A")[DATE].to_list() == DAYS[:4]
    assert kept.filter(pl.col(CODE) == "B")[DATE].to_list() == [DAYS[0], DAYS[2], DAYS[3]]
    assert "C" not in kept[CODE]


def test_without_rows_nothing_changes() -> None:
    empty = BenchmarkReturns(pl.DataFrame(schema={DATE: pl.Date, CODE: pl.String, "observed": pl.Boolean}))
    universe = pl.DataFrame({DATE: DAYS, CODE: ["A"] * 5, ELIGIBLE: [True] * 5})

    assert empty.restrict_universe(universe).equals(universe)
    days = np.arange("2015-01-01", "2017-01-01", dtype="datetime64[D]")
    assert make_params(SplitParams).fill_dates(empty.days, days) == make_params(SplitParams)


def test_shares_count_the_benchmark_s_days_and_forecasts_are_made_the_day_before() -> None:
    days = np.busday_offset("2015-01-05", np.arange(1000), roll="forward").astype("datetime64[D]")
    benchmark_days = days[500:900]

    params = make_params(SplitParams, min_date="benchmark", train=0.6, validation=0.2, embargo_days=3).fill_dates(
        benchmark_days, days
    )
    split = split_days(days, params, 20)

    test = split.indices_of("test", days)
    assert (days[test + 1] == benchmark_days[-80:]).all()
    first, last = (split.indices_of("train", days)[index] for index in (0, -1))
    assert days[first + 1] == benchmark_days[0]
    assert days[last + 1 + 23] == benchmark_days[239]  # the gap is taken from the train days
    assert split.ranges_of("unused")[0].days == 101
    assert split_days(days, params.model_copy(update={"min_date": None}), 20).indices_of("train", days)[0] == 0


def test_given_dates_are_kept() -> None:
    days = np.busday_offset("2015-01-05", np.arange(1000), roll="forward").astype("datetime64[D]")
    given = {"train_until": days[300].item(), "validation_until": days[400].item()}

    dated = make_params(SplitParams, **given).fill_dates(days[100:900], days)

    assert (dated.train_until, dated.validation_until) == (days[300].item(), days[400].item())
    assert dated.test_until == days[898].item()


def test_numbers_of_days_count_days_of_the_benchmark() -> None:
    days = np.busday_offset("2015-01-05", np.arange(1000), roll="forward").astype("datetime64[D]")

    dated = make_params(SplitParams, validation_days=100, test_days=50).fill_dates(days[100:900], days)

    assert (dated.train_until, dated.validation_until) == (days[898 - 150].item(), days[898 - 50].item())
    assert dated.test_until == days[898].item()
    assert dated.test_days is None


def test_returns_of_another_market_or_shape_are_refused(benchmark: pl.LazyFrame, tmp_path: Path) -> None:
    universe = pl.DataFrame({DATE: DAYS, CODE: ["Z"] * 5, ELIGIBLE: [True] * 5})

    with pytest.raises(InputError, match="No stock of the benchmark returns"):
        read_benchmark_returns(benchmark).restrict_universe(universe)
    with pytest.raises(InputError, match=r"observed \(Boolean\)"):
        read_benchmark_returns(benchmark.drop("observed"))
    with pytest.raises(InputError, match="repeat 8 dates and codes"):
        read_benchmark_returns(pl.concat([benchmark, benchmark]))
    with pytest.raises(InputError, match="entry_lag is 1"):
        read_benchmark_returns(benchmark).list_next_day_returns(pl.Series(DAYS), entry_lag=1)
    with pytest.raises(InputError, match="there are no benchmark returns"):
        split_days(np.array(DAYS, dtype="datetime64[D]"), make_params(SplitParams, min_date="benchmark"), 20)


@pytest.mark.parametrize("day", [date(2020, 1, 11), date(2020, 1, 4)])  # Saturdays after and before the prices begin
def test_days_without_prices_are_refused(benchmark: pl.LazyFrame, prices: pl.DataFrame, day: date) -> None:
    later = prices.with_columns(pl.when(pl.col(DATE) == DAYS[4]).then(date(2020, 1, 13)).otherwise(DATE).alias(DATE))
    odd = pl.DataFrame({DATE: [day], CODE: ["B"], "observed": [True], "return_1d": [0.5]})
    extra = benchmark.filter(pl.col(DATE) != DAYS[4]).collect().extend(odd).lazy()

    with pytest.raises(InputError, match=f"1 benchmark returns are on 1 days that the prices .* lack: B on {day}"):
        replace_targets(extra, later)


def test_returns_after_the_last_price_are_refused(benchmark: pl.LazyFrame, prices: pl.DataFrame) -> None:
    with pytest.raises(InputError, match="end on 2020-01-10, after the last day of the prices, 2020-01-08"):
        replace_targets(benchmark, prices.filter(pl.col(DATE) <= DAYS[2]))
