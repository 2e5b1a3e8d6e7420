"""Live forecasts of random returns, and the champion that makes them."""

from datetime import date, datetime, timedelta

import numpy as np
import polars as pl
from scipy.stats import norm

from atft_kedro.checks import CheckResult
from atft_kedro.evaluation import score_forecasts
from atft_kedro.evaluation.align import index_returns
from atft_kedro.live.live_checks import MonitorParams
from atft_kedro.live.monitor import Champion, MonitoredForecasts, monitor_forecasts
from atft_kedro.panel.scaler import FeatureScale, Scaler
from atft_kedro.panel.universe import UniverseParams
from factories.forecasts import EVALUATION
from factories.params import make_params

FIRST = date(2024, 1, 1)
LEVELS = {"q10": 0.1, "q50": 0.5, "q90": 0.9}


def make_dataset(days: int, stocks: int = 40, seed: int = 3, horizons: tuple[int, ...] = (1, 5)) -> pl.DataFrame:
    """Draw returns and two features, of which one is unknown in 10 % of the rows."""
    random = np.random.default_rng(seed)
    rows = [(FIRST + timedelta(days=day), f"S{stock:02d}") for stock in range(stocks) for day in range(days)]
    table = pl.DataFrame(rows, schema=["date", "code"], orient="row", schema_overrides={"date": pl.Date})
    return table.with_columns(
        *(pl.Series(f"target_{horizon}d", 0.02 * random.normal(size=len(rows))) for horizon in horizons),
        known=pl.Series(random.normal(size=len(rows))),
        partly=pl.when(pl.Series(random.uniform(size=len(rows)) > 0.1)).then(pl.Series(random.normal(size=len(rows)))),
    )


def forecast(
    dataset: pl.DataFrame, skill: float, horizon: int = 1, until: date = date.max, seed: int = 4
) -> pl.DataFrame:
    """Forecast with a correlation of about ``skill`` up to a day, and randomly after it."""
    noise = pl.Series(np.random.default_rng(seed).normal(size=len(dataset)))
    label = pl.col(f"target_{horizon}d") / 0.02
    share = pl.when(pl.col("date") <= until).then(skill).otherwise(0.0)
    table = dataset.select("date", "code", horizon=pl.lit(horizon, pl.Int16), forecast=0.1 * (share * label + noise))
    return table.with_columns(pl.lit(float(norm.ppf(level))).alias(name) for name, level in LEVELS.items())


def both_horizons(dataset: pl.DataFrame, skill: float, until: date = date.max, seed: int = 4) -> pl.DataFrame:
    """Forecast over 1 and 5 days."""
    return pl.concat(forecast(dataset, skill, horizon, until, seed) for horizon in (1, 5))


def to_journal(
    forecasts: pl.DataFrame, run: str = "first", role: str = "champion", made_at: datetime = datetime(2024, 6, 1)
) -> pl.DataFrame:
    """Add the journal's columns that the monitor reads."""
    origin = {"run": run, "role": role}
    columns = [pl.lit(value).alias(name) for name, value in origin.items()]
    return forecasts.with_columns(
        *columns, made_at=pl.lit(made_at), known_until=pl.col("date"), revision=pl.lit(1, pl.Int16)
    )


def make_champion(skill: float = 0.1, days: int = 250, horizons: tuple[int, ...] = (1, 5)) -> Champion:
    """Score forecasts of other days as the test record."""
    dataset = make_dataset(days, seed=8, horizons=horizons)
    forecasts = pl.concat(forecast(dataset, skill, horizon, seed=9) for horizon in horizons)
    record = score_forecasts.score_forecasts(forecasts, index_returns(dataset), EVALUATION).score.horizons
    features = tuple(
        FeatureScale(name=name, family="own", method="standard", missing=missing)
        for name, missing in (("known", 0.0), ("partly", 0.1))
    )
    scaler = Scaler(feature_hash="made", first=FIRST, last=FIRST, rows=1, clip=10, features=features)
    return Champion("first", scaler, record, EVALUATION, make_params(UniverseParams, min_history=1))


def monitor(
    dataset: pl.DataFrame, journal: pl.DataFrame, champion: Champion, after: date | None = None, **changes: object
) -> MonitoredForecasts:
    """Monitor with parameters of conf/base, on the day of the newest forecast."""
    params = make_params(MonitorParams, **changes)
    return monitor_forecasts(journal, champion, dataset.lazy(), params, journal["date"].max(), after)


def find(monitored: MonitoredForecasts, name: str) -> CheckResult:
    """Find a check by its name."""
    return next(result for result in monitored.report.checks if result.name == name)
