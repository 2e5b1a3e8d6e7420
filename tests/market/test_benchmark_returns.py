"""Labels that a benchmark fixes: whom it asks about, what came, and which days that makes of a split."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from atft_kedro.market.benchmark_returns import Labels, read_labels
from atft_kedro.panel.split import SplitParams, split_days
from atft_kedro.params import InputError
from atft_kedro.schema import CLOSE, CODE, DATE, ELIGIBLE

DAYS = [date(2020, 1, 6) + timedelta(days=day) for day in range(5)]  # a week
CLOSES = {"A": [10.0, 11.0, 12.1, 13.31, 14.641], "B": [20.0, None, 18.0, 9.0, 9.9]}


@pytest.fixture
def prices() -> pl.DataFrame:
    """Two stocks' closes with the next observation's return, as the ML dataset has it; B misses Tuesday."""
    table = pl.DataFrame({DATE: DAYS * 2, CODE: ["A"] * 5 + ["B"] * 5, CLOSE: CLOSES["A"] + CLOSES["B"]}).drop_nulls()
    ahead = pl.col(CLOSE).shift(-1).over(CODE) / pl.col(CLOSE) - 1
    return table.with_columns(ahead.cast(pl.Float32).alias("target_1d"))


@pytest.fixture
def labels() -> pl.LazyFrame:
    """What a benchmark says of Tuesday to Friday: 0 where a day or the one before it is missing."""
    returns = [0.0, 0.1, 0.1, 0.1, 0.0, 0.0, -0.5, 0.1]
    seen = [True] * 4 + [False, True, True, True]
    table = {DATE: DAYS[1:] * 2, CODE: ["A"] * 4 + ["B"] * 4, "observed": seen, "return_1d": returns}
    return pl.LazyFrame(table)


def answer(labels: pl.LazyFrame, prices: pl.DataFrame) -> dict[tuple[str, int], float | None]:
    told = read_labels(labels).answer(prices[DATE], entry_lag=0).put_into(prices)
    return {(code, day.day): came for day, code, came in told.select(DATE, CODE, "target_1d").iter_rows()}


def test_the_next_day_brought_what_the_labels_say_where_both_days_were_observed(
    labels: pl.LazyFrame, prices: pl.DataFrame
) -> None:
    came = answer(labels.with_columns(pl.col("return_1d") * 2), prices)

    assert came["A", 7] == pytest.approx(0.2)  # Tuesday's forecast, Wednesday's label
    assert came["B", 8] == pytest.approx(-1.0)
    assert came["A", 6] == pytest.approx(0.1)  # before the labels begin, the prices' own
    assert came["B", 6] == pytest.approx(-0.1)
    assert came["A", 10] is None  # nothing came yet


def test_what_was_not_observed_on_either_day_is_unknown_and_never_zero(
    labels: pl.LazyFrame, prices: pl.DataFrame
) -> None:
    gone = labels.with_columns(observed=pl.col("observed") & ~((pl.col(CODE) == "A") & (pl.col(DATE) == DAYS[3])))

    came = answer(gone, prices)

    assert came["A", 8] is None
    assert came["A", 9] is None
    assert came["A", 7] == pytest.approx(0.1)


def test_labels_that_agree_with_the_prices_change_nothing_but_gaps(labels: pl.LazyFrame, prices: pl.DataFrame) -> None:
    own = {(code, day.day): came for day, code, came in prices.select(DATE, CODE, "target_1d").iter_rows()}

    assert answer(labels, prices) == pytest.approx(own, abs=1e-6, nan_ok=True)


def test_only_the_labels_stocks_are_forecast_and_on_their_days_only_what_was_observed(labels: pl.LazyFrame) -> None:
    keys = pl.DataFrame({DATE: DAYS * 3, CODE: ["A"] * 5 + ["B"] * 5 + ["C"] * 5})
    universe = keys.with_columns(pl.Series(ELIGIBLE, [True] * 15)).sample(fraction=1, shuffle=True, seed=1)
    universe = universe.with_columns(pl.col(ELIGIBLE) & (pl.col(DATE) != DAYS[4]))  # its own rules hold too

    admitted = read_labels(labels).admit(universe)

    assert admitted.select(DATE, CODE).equals(universe.select(DATE, CODE))
    kept = admitted.filter(ELIGIBLE).sort(CODE, DATE)
    assert kept.filter(pl.col(CODE) == "A")[DATE].to_list() == DAYS[:4]
    assert kept.filter(pl.col(CODE) == "B")[DATE].to_list() == [DAYS[0], DAYS[2], DAYS[3]]
    assert "C" not in kept[CODE]


def test_without_labels_nothing_is_fixed() -> None:
    nobody = Labels(pl.DataFrame(schema={DATE: pl.Date, CODE: pl.String, "observed": pl.Boolean}))
    universe = pl.DataFrame({DATE: DAYS, CODE: ["A"] * 5, ELIGIBLE: [True] * 5})

    assert nobody.admit(universe).equals(universe)
    days = np.arange("2015-01-01", "2017-01-01", dtype="datetime64[D]")
    assert SplitParams().date_by(nobody.days, days) == SplitParams()


def test_shares_are_of_the_labels_days_and_a_forecast_is_made_the_day_before() -> None:
    days = np.busday_offset("2015-01-05", np.arange(1000), roll="forward").astype("datetime64[D]")
    asked = days[500:900]

    params = SplitParams(min_date="labels", train=0.6, validation=0.2, embargo_days=3).date_by(asked, days)
    split = split_days(days, params, 20)

    test = split.indices_of("test", days)
    assert (days[test + 1] == asked[-80:]).all()
    first, last = (split.indices_of("train", days)[place] for place in (0, -1))
    assert days[first + 1] == asked[0]
    assert days[last + 1 + 23] == asked[239]  # the gap is the earlier part's
    assert split.ranges_of("unused")[0].days == 101
    assert split_days(days, params.model_copy(update={"min_date": None}), 20).indices_of("train", days)[0] == 0


def test_dates_that_are_given_hold() -> None:
    days = np.busday_offset("2015-01-05", np.arange(1000), roll="forward").astype("datetime64[D]")
    given = {"train_until": days[300].item(), "validation_until": days[400].item()}

    dated = SplitParams.model_validate(given).date_by(days[100:900], days)

    assert (dated.train_until, dated.validation_until) == (days[300].item(), days[400].item())
    assert dated.test_until == days[898].item()


def test_labels_of_another_market_or_shape_are_refused(labels: pl.LazyFrame, tmp_path: Path) -> None:
    universe = pl.DataFrame({DATE: DAYS, CODE: ["Z"] * 5, ELIGIBLE: [True] * 5})

    with pytest.raises(InputError, match="ask about no stock"):
        read_labels(labels).admit(universe)
    with pytest.raises(InputError, match=r"observed \(Boolean\)"):
        read_labels(labels.drop("observed"))
    with pytest.raises(InputError, match="repeat 8 dates and codes"):
        read_labels(pl.concat([labels, labels]))
    with pytest.raises(InputError, match="entry_lag is 1"):
        read_labels(labels).answer(pl.Series(DAYS), entry_lag=1)
    with pytest.raises(InputError, match="there are none"):
        split_days(np.array(DAYS, dtype="datetime64[D]"), SplitParams(min_date="labels"), 20)


@pytest.mark.parametrize("day", [date(2020, 1, 11), date(2020, 1, 4)])  # Saturdays after and before the prices begin
def test_labels_of_days_that_the_prices_lack_are_named(labels: pl.LazyFrame, prices: pl.DataFrame, day: date) -> None:
    later = prices.with_columns(pl.when(pl.col(DATE) == DAYS[4]).then(date(2020, 1, 13)).otherwise(DATE).alias(DATE))
    odd = pl.DataFrame({DATE: [day], CODE: ["B"], "observed": [True], "return_1d": [0.5]})
    extra = labels.filter(pl.col(DATE) != DAYS[4]).collect().extend(odd).lazy()

    with pytest.raises(InputError, match=f"1 labels are of 1 days that the prices .* lack: B on {day}"):
        answer(extra, later)


def test_labels_that_end_after_the_prices_are_refused(labels: pl.LazyFrame, prices: pl.DataFrame) -> None:
    with pytest.raises(InputError, match="end on 2020-01-10, after the last day of the prices, 2020-01-08"):
        answer(labels, prices.filter(pl.col(DATE) <= DAYS[2]))
