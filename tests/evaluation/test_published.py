"""Test the scores as papers define them, compared with a slow loop over every stock."""

import math
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from atft_kedro.evaluation.published import score_as_published

DAYS, STOCKS = 12, 40


def make_table(forecast: np.ndarray, realised_values: np.ndarray) -> pl.DataFrame:
    """Write (day, stock) as rows; a NaN forecast has no row."""
    day, stock = np.nonzero(np.isfinite(forecast))
    first = date(2020, 1, 1)
    table = {
        "date": [first + timedelta(days=int(item)) for item in day],
        "code": [f"S{item:02d}" for item in stock],
        "forecast": forecast[day, stock],
        "target": realised_values[day, stock],
    }
    return pl.DataFrame(table).with_columns(pl.col("target").fill_nan(None))


def draw() -> tuple[np.ndarray, np.ndarray]:
    """Draw forecasts and returns; some are missing, also for a whole stock and a whole day."""
    random = np.random.default_rng(3)
    forecast, realised_values = random.standard_normal((2, DAYS, STOCKS))
    realised_values = realised_values + 0.3 * forecast
    forecast[random.random(forecast.shape) < 0.1] = np.nan
    realised_values[random.random(realised_values.shape) < 0.1] = np.nan
    realised_values[:, 7] = np.nan
    return forecast, realised_values


def test_the_columns_are_those_of_a_loop_over_every_stock() -> None:
    forecast, realised_values = draw()
    correlations, precisions, earned = [], [], []
    for day in range(DAYS):
        pairs = []
        for stock in range(STOCKS):
            both = math.isfinite(forecast[day, stock]) and math.isfinite(realised_values[day, stock])
            pairs.append((forecast[day, stock], realised_values[day, stock], 1) if both else (0.0, 0.0, 0))
        x, y = [p[0] for p in pairs], [p[1] for p in pairs]
        mx, my = sum(x) / STOCKS, sum(y) / STOCKS
        cov = sum((a - mx) * (b - my) for a, b in zip(x, y, strict=True))
        correlations.append(cov / math.sqrt(sum((a - mx) ** 2 for a in x) * sum((b - my) ** 2 for b in y)))
        best = sorted((p for p in pairs if p[2]), reverse=True)
        precisions.append(sum(p[1] >= 0 for p in best[:10]) / 10)
        earned.append(sum(p[1] for p in best[:5]) / 5)
    mean = sum(correlations) / DAYS
    deviation = math.sqrt(sum((item - mean) ** 2 for item in correlations) / DAYS)

    score = score_as_published(make_table(forecast, realised_values))

    assert score.ic == pytest.approx(mean)
    assert score.ric == pytest.approx(mean / deviation)
    assert score.precision == pytest.approx(sum(precisions) / DAYS)
    assert score.sharpe == pytest.approx(np.mean(earned) / np.std(earned) * 15.87)


def test_constant_forecasts_have_no_score() -> None:
    _, realised_values = draw()

    score = score_as_published(make_table(np.zeros((DAYS, STOCKS)), realised_values))

    assert (score.ic, score.ric, score.precision, score.sharpe) == (None, None, None, None)


def test_a_reversed_forecast_has_the_opposite_correlation() -> None:
    forecast, realised_values = draw()

    ahead, reversed_ = (score_as_published(make_table(sign * forecast, realised_values)) for sign in (1, -1))

    assert ahead.ic is not None and ahead.ic > 0.1
    assert reversed_.ic == pytest.approx(-ahead.ic)


def test_a_day_without_any_return_counts_in_no_column() -> None:
    forecast, realised_values = draw()
    realised_values[4] = np.nan
    kept = np.arange(DAYS) != 4

    assert score_as_published(make_table(forecast, realised_values)) == score_as_published(
        make_table(forecast[kept], realised_values[kept])
    )
