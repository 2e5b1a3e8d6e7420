"""The core features on cases small enough to compute by hand, and against NumPy."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from scipy.stats import rankdata, skew

from atft_kedro.features.build import FEATURE_SETS, FeatureParams
from factories.datasets import make_ml_dataset
from factories.params import make_params


def weekdays(count: int) -> list[date]:
    days = (date(2024, 1, 1) + timedelta(days=day) for day in range(2 * count))
    return [day for day in days if day.weekday() < 5][:count]


def prices_of(closes: dict[str, list[float]], volume: float = 1000.0) -> pl.DataFrame:
    stocks = [
        pl.DataFrame({"date": weekdays(len(values)), "code": code, "close": values}) for code, values in closes.items()
    ]
    close = pl.col("close")
    return pl.concat(stocks).with_columns(
        sector=pl.lit(None, pl.String),
        open=close * 0.99,
        high=close * 1.02,
        low=close * 0.98,
        volume=pl.lit(volume),
        vwap=pl.lit(None, pl.Float64),
    )


@pytest.fixture(scope="module")
def rising_and_falling() -> pl.DataFrame:
    up, down = [100 * 1.01**day for day in range(30)], [100 * 0.98**day for day in range(30)]
    return make_ml_dataset(prices_of({"DOWN": down, "UP": up}), make_params(FeatureParams)).sort("code", "date")


@pytest.mark.parametrize(
    ("feature", "down", "up"),
    [
        ("ret_1", -0.02, 0.01),
        ("ret_5", 0.98**5 - 1, 1.01**5 - 1),
        ("residual_1", -0.015, 0.015),  # the market's return is the mean of -2 % and 1 %
        ("residual_20", -0.015, 0.015),
        ("gap", 0.99 * 0.98 - 1, 0.99 * 1.01 - 1),
        ("intraday", 1 / 0.99 - 1, 1 / 0.99 - 1),
        ("range", 0.04, 0.04),
        ("close_location", 0.5, 0.5),
        ("from_high_20", 0.98**19 / 1.02 - 1, 1 / 1.02 - 1),
        ("volume_shock", 0.0, 0.0),
        ("signed_volume_5", -1.0, 1.0),
        ("downside_20", 0.02, 0.0),
        ("highest_ret_20", -0.02, 0.01),
        ("unchanged_20", 0.0, 0.0),
        ("rank_ret_5", -0.25, 0.25),
    ],
)
def test_feature_by_hand(rising_and_falling: pl.DataFrame, feature: str, down: float, up: float) -> None:
    last = rising_and_falling.group_by("code", maintain_order=True).last()[feature]

    assert last.to_list() == pytest.approx([down, up], abs=1e-6)


def test_features_wait_for_four_fifths_of_their_window(rising_and_falling: pl.DataFrame) -> None:
    stock = rising_and_falling.filter(pl.col("code") == "UP")

    assert stock["ret_5"].null_count() == 5
    assert stock["vol_20"].null_count() == 16  # 16 returns need 17 closes
    assert stock["vol_60"].null_count() == 30


@pytest.mark.parametrize(
    ("feature", "reference"),
    [
        ("vol_20", lambda r, m, q: r[-20:].std(ddof=1)),
        ("beta_60", lambda r, m, q: np.cov(r[-60:], m[-60:])[0, 1] / m[-60:].var(ddof=1)),
        ("market_corr_60", lambda r, m, q: np.corrcoef(r[-60:], m[-60:])[0, 1]),
        ("market_lag_corr_60", lambda r, m, q: np.corrcoef(r[-60:], m[-61:-1])[0, 1]),
        ("residual_vol_20", lambda r, m, q: (r - m)[-20:].std(ddof=1)),
        ("skew_60", lambda r, m, q: skew(r[-60:])),
        ("parkinson_20", lambda r, m, q: np.sqrt((np.log(q["high"] / q["low"])[-20:] ** 2).mean() / (4 * np.log(2)))),
        ("traded_20", lambda r, m, q: np.log((q["close"] * q["volume"])[-20:].mean() + 1)),
        ("ret_250_20", lambda r, m, q: q["close"][-21] / q["close"][-251] - 1),
        ("from_low_250", lambda r, m, q: q["close"][-1] / q["low"][-250:].min() - 1),
    ],
)
def test_feature_against_numpy(clean_prices: pl.DataFrame, ml_dataset: pl.DataFrame, feature: str, reference) -> None:  # noqa: ANN001
    moves = clean_prices.with_columns((pl.col("close") / pl.col("close").shift(1) - 1).over("code").alias("r"))
    low, high = pl.col("r").quantile(0.05, "higher"), pl.col("r").quantile(0.95, "lower")
    place = pl.col("date").rank("dense")
    without_gaps = moves.with_columns(place.alias("place")).filter(pl.col("place").diff().over("code") == 1)
    market = without_gaps.group_by("date").agg(pl.col("r").clip(low, high).mean().alias("m"))
    last = clean_prices["date"].max()
    for code in ml_dataset.filter(pl.col("date") == last)["code"][:8]:
        q = moves.join(market, on="date", how="left").filter(pl.col("code") == code).sort("date")
        if q.height < 300:
            continue
        columns = {name: q[name].to_numpy() for name in ("high", "low", "close", "volume")}
        expected = reference(q["r"].to_numpy()[1:], q["m"].to_numpy()[1:], columns)
        actual = ml_dataset.filter(code=code, date=last)[feature].item()

        assert actual == pytest.approx(expected, rel=2e-4, abs=1e-6), code


def test_ranks_average_ties_and_are_null_for_unknown_values() -> None:
    flat = {"A": [1.0, 2.0], "B": [1.0, 2.0], "C": [1.0, 3.0], "D": [5.0, 5.0], "E": [7.0]}
    day = make_ml_dataset(prices_of(flat), make_params(FeatureParams)).filter(pl.col("date") == weekdays(2)[1])

    ranks = dict(day.select("code", "rank_ret_1").iter_rows())

    expected = (rankdata([1.0, 1.0, 2.0, 0.0]) - 0.5) / 4 - 0.5
    assert [ranks[code] for code in "ABCD"] == pytest.approx(expected.tolist())


@pytest.mark.parametrize(("name", "count"), [("core", range(40, 80)), ("alpha158", [158]), ("wide", range(395, 600))])
def test_a_feature_set_has_the_documented_size(name: str, count: range) -> None:
    names = [feature.name for feature in FEATURE_SETS[name]]

    assert len(names) == len(set(names))
    assert len(names) in count
    assert all(feature.description and feature.family for feature in FEATURE_SETS[name])


def test_no_feature_uses_more_observations_than_its_lookback(clean_prices: pl.DataFrame) -> None:
    """Everything before the lookback is changed; the last day must not move."""
    features = [feature for feature in FEATURE_SETS["core"] if feature.scope == "stock"]
    code = clean_prices.group_by("code").len().sort("len", "code")["code"][-1]
    stock = clean_prices.filter(pl.col("code") == code)
    moved = {}
    for lookback in sorted({feature.lookback for feature in features}):
        early = pl.int_range(pl.len()) < stock.height - 1 - lookback
        shocked = stock.with_columns(
            pl.when(early).then(pl.col(name) * 1.5).otherwise(name).alias(name)
            for name in ("open", "high", "low", "close", "volume")
        )
        rest = clean_prices.filter(pl.col("code") != code)
        before, after = (
            make_ml_dataset(pl.concat([rest, history]).sort("code", "date"), make_params(FeatureParams)).filter(
                pl.col("code") == code
            )[-1]
            for history in (stock, shocked)
        )
        for feature in features:
            if feature.lookback == lookback and not feature.family.startswith(("residual", "market")):
                moved[feature.name] = (before[feature.name].item(), after[feature.name].item())

    differ = {name: pair for name, pair in moved.items() if pair[0] != pytest.approx(pair[1], rel=1e-4, abs=1e-7)}
    assert differ == {}
