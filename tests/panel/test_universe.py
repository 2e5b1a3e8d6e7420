"""The universe depends on data up to each day, and not on the order of rows."""

from datetime import date, timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from atft_kedro.panel.universe import UniverseParams, select_universe
from atft_kedro.params import InputError
from factories.params import make_params


def rows(prices: dict[str, list[float | None]], volume: float = 100.0) -> pl.DataFrame:
    """Three stocks from 2020-01-01 on; None is a day without trade."""
    start = date(2020, 1, 1)
    return pl.DataFrame(
        [
            {"date": start + timedelta(days=day), "code": code, "close": close, "volume": volume}
            for day in range(max(map(len, prices.values())))
            for code, closes in prices.items()
            if day < len(closes) and (close := closes[day]) is not None
        ]
    )


def chosen(frame: pl.DataFrame, params: UniverseParams) -> set[tuple[int, str]]:
    universe = select_universe(frame.lazy(), params)
    assert universe.select("date", "code").equals(frame.select("date", "code"))
    return {(day.day, code) for day, code, is_in in universe.iter_rows() if is_in}


def test_history_counts_a_stocks_own_observations() -> None:
    frame = rows({"a": [1, 1, 1], "b": [1, None, 1], "c": [None, 1, 1]})

    assert chosen(frame, make_params(UniverseParams, min_history=2)) == {(2, "a"), (3, "a"), (3, "b"), (3, "c")}


def test_price_and_traded_value_are_those_of_the_day() -> None:
    frame = rows({"a": [1, 5, 5], "b": [5, 1, 9]})

    assert chosen(frame, make_params(UniverseParams, min_history=1, min_price=5)) == {
        (1, "b"),
        (2, "a"),
        (3, "a"),
        (3, "b"),
    }
    traded = make_params(UniverseParams, min_history=1, min_traded_value=500, traded_days=2)
    assert chosen(frame, traded) == {(1, "b"), (3, "a"), (3, "b")}


def test_the_most_traded_stocks_are_kept_and_ties_go_to_the_longest_history() -> None:
    frame = rows({"a": [None, 2, 2], "b": [2, 2, 2], "c": [3, 1, 1]})
    params = make_params(UniverseParams, min_history=1, max_stocks_per_day=2, traded_days=1)

    assert chosen(frame.filter(pl.col("date") == date(2020, 1, 3)), params) == {(3, "a"), (3, "b")}
    assert chosen(frame, params) == {(1, "b"), (1, "c"), (2, "a"), (2, "b"), (3, "a"), (3, "b")}
    without_volume = chosen(frame.drop("volume"), params)
    assert without_volume == {(1, "b"), (1, "c"), (2, "b"), (2, "c"), (3, "b"), (3, "c")}


def test_whole_numbers_do_not_overflow_and_a_nan_is_no_price() -> None:
    frame = rows({"a": [3000, 3000], "b": [float("nan"), 3000]}, volume=1e6)
    whole = frame.fill_nan(0).cast({"close": pl.Int32, "volume": pl.Int32})

    assert chosen(whole, make_params(UniverseParams, min_history=1, min_traded_value=2e9)) == {(1, "a"), (2, "a")}
    assert chosen(frame, make_params(UniverseParams, min_history=1, min_price=1)) == {(1, "a"), (2, "a"), (2, "b")}
    assert chosen(frame, make_params(UniverseParams, min_history=1, min_traded_value=2e9)) == {
        (1, "a"),
        (2, "a"),
        (2, "b"),
    }


def test_later_prices_and_the_order_of_rows_change_nothing(ml_dataset: pl.DataFrame) -> None:
    params = make_params(UniverseParams, min_price=20, min_traded_value=1e4, max_stocks_per_day=10)
    cut = ml_dataset["date"].unique().sort()[200]
    later = pl.col("date") > cut
    shocked = ml_dataset.with_columns(
        pl.when(later).then(pl.col(name) * 7).otherwise(pl.col(name)).alias(name) for name in ("close", "volume")
    )

    plain = select_universe(ml_dataset.lazy(), params)
    shuffled = select_universe(ml_dataset.sample(fraction=1, shuffle=True, seed=3).lazy(), params)

    assert plain["eligible"].any()
    assert not plain["eligible"].all()
    assert select_universe(shocked.lazy(), params).filter(~later).equals(plain.filter(~later))
    assert select_universe(ml_dataset.filter(~later).lazy(), params).equals(plain.filter(~later))
    assert_frame_equal(shuffled.sort("date", "code"), plain)


def test_impossible_parameters_are_refused(ml_dataset: pl.DataFrame) -> None:
    bare = ml_dataset.drop("volume").lazy()

    with pytest.raises(InputError, match=r"min_traded_value needs the columns \['volume'\]"):
        select_universe(bare, make_params(UniverseParams, min_traded_value=1))
    with pytest.raises(InputError, match="No stock of any day meets"):
        select_universe(bare, make_params(UniverseParams, min_price=1e12))


def test_a_minimum_price_warns_of_splits_that_were_not_known_yet(caplog: pytest.LogCaptureFixture) -> None:
    frame = rows({"a": [3.0, 3.0]}, volume=1e6)

    chosen(frame, make_params(UniverseParams, min_history=1))
    assert "splits" not in caplog.text
    chosen(frame, make_params(UniverseParams, min_history=1, min_price=1))
    assert "if they are adjusted for splits, it selects by later splits" in caplog.text
