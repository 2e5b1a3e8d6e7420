"""The columns of published tables, against a slow loop over every stock."""

import math
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from atft_kedro.evaluation.published import score_as_published

DAYS, STOCKS = 12, 40


def lay(forecast: np.ndarray, came: np.ndarray) -> pl.DataFrame:
    """Write (day, stock) as rows; a NaN forecast has none."""
    day, stock = np.nonzero(np.isfinite(forecast))
    first = date(2020, 1, 1)
    table = {
        "date": [first + timedelta(days=int(each)) for each in day],
        "code": [f"S{each:02d}" for each in stock],
        "forecast": forecast[day, stock],
        "target": came[day, stock],
    }
    return pl.DataFrame(table).with_columns(pl.col("target").fill_nan(None))


def draw() -> tuple[np.ndarray, np.ndarray]:
    """Draw forecasts and returns of which some are missing, here and there and for a whole stock and day."""
    random = np.random.default_rng(3)
    forecast, came = random.standard_normal((2, DAYS, STOCKS))
    came = came + 0.3 * forecast
    forecast[random.random(forecast.shape) < 0.1] = np.nan
    came[random.random(came.shape) < 0.1] = np.nan
    came[:, 7] = np.nan
    return forecast, came


def test_the_columns_are_those_of_a_loop_over_every_stock() -> None:
    forecast, came = draw()
    correlations, precisions, earned = [], [], []
    for day in range(DAYS):
        pairs = []
        for stock in range(STOCKS):
            both = math.isfinite(forecast[day, stock]) and math.isfinite(came[day, stock])
            pairs.append((forecast[day, stock], came[day, stock], 1) if both else (0.0, 0.0, 0))
        x, y = [p[0] for p in pairs], [p[1] for p in pairs]
        mx, my = sum(x) / STOCKS, sum(y) / STOCKS
        cov = sum((a - mx) * (b - my) for a, b in zip(x, y, strict=True))
        correlations.append(cov / math.sqrt(sum((a - mx) ** 2 for a in x) * sum((b - my) ** 2 for b in y)))
        best = sorted((p for p in pairs if p[2]), reverse=True)
        precisions.append(sum(p[1] >= 0 for p in best[:10]) / 10)
        earned.append(sum(p[1] for p in best[:5]) / 5)
    mean = sum(correlations) / DAYS
    deviation = math.sqrt(sum((each - mean) ** 2 for each in correlations) / DAYS)

    score = score_as_published(lay(forecast, came))

    assert score.ic == pytest.approx(mean)
    assert score.ric == pytest.approx(mean / deviation)
    assert score.precision == pytest.approx(sum(precisions) / DAYS)
    assert score.sharpe == pytest.approx(np.mean(earned) / np.std(earned) * 15.87)


def test_forecasts_that_say_nothing_have_no_score() -> None:
    _, came = draw()

    score = score_as_published(lay(np.zeros((DAYS, STOCKS)), came))

    assert (score.ic, score.ric, score.precision, score.sharpe) == (None, None, None, None)


def test_a_reversed_forecast_has_the_opposite_correlation() -> None:
    forecast, came = draw()

    ahead, reversed_ = (score_as_published(lay(sign * forecast, came)) for sign in (1, -1))

    assert ahead.ic is not None and ahead.ic > 0.1
    assert reversed_.ic == pytest.approx(-ahead.ic)


def test_a_day_without_any_return_counts_in_no_column() -> None:
    forecast, came = draw()
    came[4] = np.nan
    kept = np.arange(DAYS) != 4

    assert score_as_published(lay(forecast, came)) == score_as_published(lay(forecast[kept], came[kept]))
