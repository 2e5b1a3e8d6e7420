"""Alpha158 against qlib's definitions, implemented again with pandas and NumPy."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import polars as pl
import pytest

from atft_kedro.features.alpha158 import ALPHA158, WINDOWS
from atft_kedro.features.build import FeatureParams
from factories.datasets import make_ml_dataset
from factories.params import make_params

Reference = Callable[[pd.DataFrame, int], pd.Series]


def rolling(x: pd.Series, d: int) -> pd.core.window.Rolling:
    return x.rolling(d, min_periods=1)


def flat(x: pd.Series, d: int) -> pd.Series:
    return pd.Series(np.isclose(rolling(x, d).std(), 0, atol=2e-5), index=x.index)


def correlate(x: pd.Series, y: pd.Series, d: int) -> pd.Series:
    return rolling(x, d).corr(y).mask(flat(x, d) | flat(y, d))


def fit_lines(x: pd.Series, d: int) -> pd.DataFrame:
    """Fit a line to each window on its own: slope, R², last residual."""
    rows = []
    for end in range(1, len(x) + 1):
        y = x.to_numpy()[max(end - d, 0) : end]
        t = np.arange(len(y), dtype=float)
        if len(y) < 2:
            rows.append((np.nan, np.nan, np.nan))
            continue
        slope, start = np.polyfit(t, y, 1)
        r = np.corrcoef(t, y)[0, 1] if np.std(y) else np.nan
        rows.append((slope, r * r, y[-1] - (slope * t[-1] + start)))
    return pd.DataFrame(rows, columns=["slope", "rsquare", "residual"], index=x.index)


def up(x: pd.Series) -> pd.Series:
    return (x - x.shift(1)).where(lambda move: ~(move < 0), 0)


def down(x: pd.Series) -> pd.Series:
    return (x.shift(1) - x).where(lambda move: ~(move < 0), 0)


def moves(x: pd.Series, d: int) -> pd.Series:
    return rolling((x - x.shift(1)).abs(), d).sum() + 1e-12


def weighted(q: pd.DataFrame) -> pd.Series:
    return (q.close / q.close.shift(1) - 1).abs() * q.volume


def place(x: pd.Series, d: int, find: Callable[[np.ndarray], int]) -> pd.Series:
    return rolling(x, d).apply(lambda w: find(w) + 1, raw=True)


ROLLING: dict[str, Reference] = {
    "ROC": lambda q, d: q.close.shift(d) / q.close,
    "MA": lambda q, d: rolling(q.close, d).mean() / q.close,
    "STD": lambda q, d: rolling(q.close, d).std() / q.close,
    "BETA": lambda q, d: fit_lines(q.close, d).slope / q.close,
    "RSQR": lambda q, d: fit_lines(q.close, d).rsquare.mask(flat(q.close, d)),
    "RESI": lambda q, d: fit_lines(q.close, d).residual / q.close,
    "MAX": lambda q, d: rolling(q.high, d).max() / q.close,
    "MIN": lambda q, d: rolling(q.low, d).min() / q.close,
    "QTLU": lambda q, d: rolling(q.close, d).quantile(0.8) / q.close,
    "QTLD": lambda q, d: rolling(q.close, d).quantile(0.2) / q.close,
    "RANK": lambda q, d: rolling(q.close, d).rank(pct=True),
    "RSV": lambda q, d: (
        (q.close - rolling(q.low, d).min()) / (rolling(q.high, d).max() - rolling(q.low, d).min() + 1e-12)
    ),
    "IMAX": lambda q, d: place(q.high, d, np.argmax) / d,
    "IMIN": lambda q, d: place(q.low, d, np.argmin) / d,
    "IMXD": lambda q, d: (place(q.high, d, np.argmax) - place(q.low, d, np.argmin)) / d,
    "CORR": lambda q, d: correlate(q.close, np.log(q.volume + 1), d),
    "CORD": lambda q, d: correlate(q.close / q.close.shift(1), np.log(q.volume / q.volume.shift(1) + 1), d),
    "CNTP": lambda q, d: rolling((q.close > q.close.shift(1)).astype(float), d).mean(),
    "CNTN": lambda q, d: rolling((q.close < q.close.shift(1)).astype(float), d).mean(),
    "CNTD": lambda q, d: rolling(np.sign((q.close - q.close.shift(1)).fillna(0)), d).mean(),
    "SUMP": lambda q, d: rolling(up(q.close), d).sum() / moves(q.close, d),
    "SUMN": lambda q, d: rolling(down(q.close), d).sum() / moves(q.close, d),
    "SUMD": lambda q, d: (rolling(up(q.close), d).sum() - rolling(down(q.close), d).sum()) / moves(q.close, d),
    "VMA": lambda q, d: rolling(q.volume, d).mean() / (q.volume + 1e-12),
    "VSTD": lambda q, d: rolling(q.volume, d).std() / (q.volume + 1e-12),
    "WVMA": lambda q, d: rolling(weighted(q), d).std() / (rolling(weighted(q), d).mean() + 1e-12),
    "VSUMP": lambda q, d: rolling(up(q.volume), d).sum() / moves(q.volume, d),
    "VSUMN": lambda q, d: rolling(down(q.volume), d).sum() / moves(q.volume, d),
    "VSUMD": lambda q, d: (rolling(up(q.volume), d).sum() - rolling(down(q.volume), d).sum()) / moves(q.volume, d),
}
BARS: dict[str, Callable[[pd.DataFrame], pd.Series]] = {
    "KMID": lambda q: (q.close - q.open) / q.open,
    "KLEN": lambda q: (q.high - q.low) / q.open,
    "KMID2": lambda q: (q.close - q.open) / (q.high - q.low + 1e-12),
    "KUP": lambda q: (q.high - np.maximum(q.open, q.close)) / q.open,
    "KUP2": lambda q: (q.high - np.maximum(q.open, q.close)) / (q.high - q.low + 1e-12),
    "KLOW": lambda q: (np.minimum(q.open, q.close) - q.low) / q.open,
    "KLOW2": lambda q: (np.minimum(q.open, q.close) - q.low) / (q.high - q.low + 1e-12),
    "KSFT": lambda q: (2 * q.close - q.high - q.low) / q.open,
    "KSFT2": lambda q: (2 * q.close - q.high - q.low) / (q.high - q.low + 1e-12),
    "OPEN0": lambda q: q.open / q.close,
    "HIGH0": lambda q: q.high / q.close,
    "LOW0": lambda q: q.low / q.close,
    "VWAP0": lambda q: q.vwap / q.close,
}


@pytest.fixture(scope="module")
def prices(clean_prices: pl.DataFrame) -> pl.DataFrame:
    """Three stocks: an ordinary one, one with flat stretches and days without trading, and one just listed."""
    codes = clean_prices["code"].unique().sort()[:3]
    rows = clean_prices.filter(pl.col("code").is_in(codes.implode()))
    row, second, third = pl.int_range(pl.len()).over("code"), pl.col("code") == codes[1], pl.col("code") == codes[2]
    still, nearly = second & row.is_between(100, 180), second & row.is_between(181, 215)
    flattened = [
        pl.when(still).then(20.0).when(nearly).then(20 + 5e-6 * (row % 3)).otherwise(name).alias(name)
        for name in ("open", "high", "low", "close")
    ]
    idle = pl.when(second & row.is_between(150, 160)).then(0.0).otherwise("volume").alias("volume")
    vwap = ((pl.col("high") + pl.col("low")) / 2).alias("vwap")
    return rows.filter(~third | (row >= 250)).with_columns(*flattened, idle).with_columns(vwap)


@pytest.fixture(scope="module")
def computed(prices: pl.DataFrame) -> pl.DataFrame:
    return make_ml_dataset(prices, make_params(FeatureParams, set="alpha158")).sort("code", "date")


def test_the_158_factors_are_in_the_order_of_qlib() -> None:
    names = [feature.name for feature in ALPHA158]

    assert names == [*BARS, *(f"{name}{d}" for name in ROLLING for d in WINDOWS)]
    assert len(names) == 158


@pytest.mark.parametrize("name", [*BARS, *ROLLING])
def test_factor_equals_qlibs_definition(prices: pl.DataFrame, computed: pl.DataFrame, name: str) -> None:
    for column in [name] if name in BARS else [f"{name}{d}" for d in WINDOWS]:
        for code, stock in prices.partition_by("code", as_dict=True).items():
            q = stock.to_pandas()
            expected = BARS[name](q) if name in BARS else ROLLING[name](q, int(column.removeprefix(name)))
            actual = computed.filter(pl.col("code") == code[0])[column].fill_null(np.nan).to_numpy()
            reference = expected.replace([np.inf, -np.inf], np.nan).to_numpy(dtype=float)

            np.testing.assert_allclose(actual, reference, rtol=2e-5, atol=2e-6, err_msg=f"{column} of {code[0]}")


def test_the_typical_price_replaces_an_unknown_vwap(prices: pl.DataFrame) -> None:
    dataset = make_ml_dataset(
        prices.with_columns(vwap=pl.lit(None, pl.Float64)), make_params(FeatureParams, set="alpha158")
    )
    typical = (dataset["high"] + dataset["low"] + dataset["close"]) / 3 / dataset["close"]

    np.testing.assert_allclose(dataset["VWAP0"], typical, rtol=1e-6)
