"""Test conformal shifts: exact on validation days, close on test days, independent of test days."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from atft_kedro.evaluation.conformal import Corrections, HorizonShifts, fit_corrections, fit_shifts, shift_quantiles
from atft_kedro.evaluation.quantiles import label_returns
from atft_kedro.params import InputError

LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9)
NARROW = torch.tensor([-1.2816, -0.6745, 0.0, 0.6745, 0.9]) * torch.tensor([0.3, 0.5, 1.0, 0.5, 0.4])
START = date(2020, 1, 1)


def simulate(days: int = 60, stocks: int = 50, seed: int = 3) -> pl.DataFrame:
    """Make forecasts with quantiles that are too near to the median."""
    random = np.random.default_rng(seed)
    signal = random.normal(size=(days, stocks))
    returns = 0.02 * (signal + random.normal(size=(days, stocks))) + 0.01 * random.normal(size=(days, 1))
    day, stock = np.divmod(np.arange(days * stocks), stocks)
    point = 0.7 * signal.ravel()
    rows = pl.DataFrame(
        {
            "date": [START + timedelta(days=int(item)) for item in day],
            "code": [f"s{item:02}" for item in stock],
            "split": np.where(day < days // 2, "validation", "test"),
            "horizon": np.full(len(day), 5, dtype=np.int16),
            "forecast": point.astype(np.float32),
            **{f"q{level * 100:g}": (point + float(NARROW[at])).astype(np.float32) for at, level in enumerate(LEVELS)},
            "target": returns.ravel().astype(np.float32),
        }
    )
    return rows.with_columns(target=pl.when(pl.int_range(pl.len()) % 11 != 0).then("target"))


def coverage(rows: pl.DataFrame, corrections: Corrections | None) -> np.ndarray:
    """Count the labels at or below each quantile, in a plain loop over the days."""
    below, count = np.zeros(len(LEVELS)), 0
    for (_,), own in rows.filter(pl.col("target").is_not_null()).partition_by("date", as_dict=True).items():
        actual = torch.from_numpy(own["target"].to_numpy(writable=True)).double()
        label = label_returns(actual[None], torch.ones(1, len(own), dtype=torch.bool), "gaussian_rank")[0]
        quantiles = torch.from_numpy(own.select(pl.selectors.matches("^q")).to_numpy(writable=True))
        if corrections is not None:
            quantiles = corrections.correct(quantiles.unsqueeze(1), [corrections.horizons[0].horizon])[:, 0]
        below, count = below + (label[:, None] <= quantiles).sum(0).numpy(), count + len(own)
    return below / count


def test_coverage_is_exact_on_validation_and_near_on_test() -> None:
    rows = simulate()
    validation, test = (rows.filter(split=split) for split in ("validation", "test"))
    corrections = fit_corrections(rows, "gaussian_rank")

    outer = [0, 1, 3, 4]
    assert coverage(test, None)[outer] == pytest.approx([0.3, 0.38, 0.66, 0.7], abs=0.08)  # far too narrow
    assert coverage(validation, corrections)[outer] == pytest.approx(np.array(LEVELS)[outer], abs=2 / len(validation))
    assert coverage(test, corrections)[outer] == pytest.approx(np.array(LEVELS)[outer], abs=0.025)
    assert corrections.horizons[0].shifts[2] == 0
    assert corrections.horizons[0].labels == validation["target"].count()


def test_test_days_change_nothing() -> None:
    rows = simulate()
    is_test = pl.col("split") == "test"
    shocked = rows.with_columns(
        pl.when(is_test).then(pl.col(name) * -9 + 4).otherwise(pl.col(name)).alias(name)
        for name in ("forecast", "q10", "q25", "q50", "q75", "q90", "target")
    )

    assert fit_corrections(shocked, "gaussian_rank") == fit_corrections(rows, "gaussian_rank")
    assert fit_corrections(rows.filter(~is_test), "gaussian_rank") == fit_corrections(rows, "gaussian_rank")


@given(st.integers(0, 10_000), st.integers(1, 40))
def test_corrected_quantiles_stay_in_order_and_the_median_where_it_is(seed: int, count: int) -> None:
    random = torch.Generator().manual_seed(seed)
    quantiles = torch.randn(count, 5, generator=random).sort(-1).values
    label = torch.randn(count, generator=random) + 3 * torch.randn(1, generator=random)

    shifts = fit_shifts(quantiles, label, LEVELS)
    moved = shift_quantiles(quantiles, torch.tensor(shifts), 2)

    assert (moved.diff(dim=-1) >= 0).all()
    assert moved[:, 2].equal(quantiles[:, 2])
    assert torch.tensor(shifts).isfinite().all()


def test_quantiles_that_would_cross_keep_their_coverage() -> None:
    """Of ten rows seven have outer quantiles that are never reached; the other three cannot make up for them."""
    label = torch.randn(4000, generator=torch.Generator().manual_seed(1))
    outer = torch.where(torch.arange(4000) % 10 < 7, 9.0, 1.5)[:, None] * torch.tensor([-1.0, 0, 0, 0, 1.0])
    quantiles = outer + torch.tensor([0.0, -0.67, 0.0, 0.67, 0.0])

    moved = shift_quantiles(quantiles, torch.tensor(fit_shifts(quantiles, label, LEVELS)), 2)

    share = (label[:, None] <= moved).double().mean(0)
    assert share[[0, 1, 3, 4]].tolist() == pytest.approx([0.1, 0.25, 0.75, 0.9], abs=1e-3)
    assert (moved[:, 0] == moved[:, 1]).any()


def test_a_horizon_without_known_returns_is_refused() -> None:
    rows = simulate().with_columns(target=pl.lit(None, dtype=pl.Float32))

    with pytest.raises(InputError, match="over 5 days cannot be corrected: no validation return is known"):
        fit_corrections(rows, "gaussian_rank")


def test_horizons_have_their_own_shifts_in_any_order() -> None:
    shifts = (
        HorizonShifts(horizon=1, shifts=(-1.0, 0.0, 1.0), labels=9),
        HorizonShifts(horizon=20, shifts=(-2.0, 0.0, 2.0), labels=9),
    )
    corrections = Corrections(levels=(0.1, 0.5, 0.9), units="zscore", horizons=shifts)

    moved = corrections.correct(torch.zeros(2, 3), [20, 1])
    assert moved.tolist() == [[-2, 0, 2], [-1, 0, 1]]
