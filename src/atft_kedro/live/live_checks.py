"""Checks of live forecasts: rank IC, age, missing days, deviations, quantiles and features."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Annotated, Any

import polars as pl
from pydantic import Field

from ..advice import advise_command
from ..checks import CheckResult
from ..evaluation.quantiles import quantile_levels
from ..evaluation.score import HorizonScore
from ..guard.calendars import count_sessions
from ..panel.scaler import Scaler
from ..panel.universe import UniverseParams, select_universe
from ..params import Params, list_names
from ..schema import DATE, ELIGIBLE, HORIZON
from .alarm import AlarmParams, RankIcTest

RANK_IC, SCALE, STATISTIC = "rank_ic", "scale", "statistic"


class MonitorParams(Params):
    """Limits of the checks; conf/base/parameters_monitor.yml explains them."""

    rank_ic: AlarmParams
    entry_lag: Annotated[int, Field(ge=0)]
    target_lag: Annotated[int, Field(ge=0)]
    calendar: str
    max_age_days: Annotated[int, Field(ge=0)] | None
    newest_days: Annotated[int, Field(gt=0)]
    max_feature_shift: Annotated[float, Field(gt=0)]
    max_unknown_increase: Annotated[float, Field(ge=0, le=1)]
    max_deviation_ratio: Annotated[float, Field(gt=1)]
    max_coverage_error: Annotated[float, Field(gt=0)]


def measure_features(dataset: pl.LazyFrame, scaler: Scaler, universe: UniverseParams, newest_days: int) -> pl.DataFrame:
    """Measure each scaled feature of the universe on the newest days, the largest drift first.

    ``shift`` is the mean in the scaler's units. It is about 0 for a feature that is scaled by day.
    """
    since = dataset.select(pl.col(DATE).unique().top_k(newest_days).min()).collect().item()
    is_newest = pl.col(DATE) >= since
    eligible = select_universe(dataset, universe).filter(is_newest)[ELIGIBLE]  # a row for each row of the dataset
    scaled = scaler.scale(dataset.filter(is_newest).collect()).filter(eligible)
    table = pl.DataFrame(
        {
            "feature": scaler.names(),
            "shift": scaled.mean().row(0),
            "unknown": (scaled.null_count() / len(scaled)).row(0),
            "in_training": [feature.missing for feature in scaler.features],
        }
    )
    drift = pl.max_horizontal(pl.col("shift").abs().fill_null(0), pl.col("unknown") - pl.col("in_training"))
    return table.sort(drift, descending=True)


def check_rank_ic(test: RankIcTest | None, statistic: pl.DataFrame) -> CheckResult:
    """Compare the statistic with its levels; an alarm stays until it is acknowledged."""
    name = "rank IC"
    if test is None:
        return CheckResult.warn(name, "cannot be tested: the lower bound of the test record's rank IC is not above 0")
    if not len(statistic):
        return CheckResult.ok(name, "no return is known yet")
    values, daily = statistic[STATISTIC].to_numpy(), statistic[RANK_IC].to_numpy()
    newest, highest = values[-1], values.max()
    message = (
        f"mean {daily.mean():.4f} on {len(daily)} tested days, {test.promised:.4f} in the test record; statistic "
        f"{newest:.1f}, highest {highest:.1f}; a warning from {test.warning:.1f}, an alarm from {test.alarm:.1f}"
    )
    if highest >= test.alarm:
        return CheckResult.error(
            name, message, f"Accept it with {advise_command('atft monitor ack')}, which restarts the test"
        )
    return CheckResult.warn(name, message) if newest >= test.warning else CheckResult.ok(name, message)


def check_age(newest: Any, today: date, params: MonitorParams) -> CheckResult:
    """Compare the age of the newest forecast in trading days with its limit."""
    age = count_sessions(params.calendar, newest, today) if newest < today else 0
    limit = "no limit" if params.max_age_days is None else f"at most {params.max_age_days}"
    message = f"the newest forecast, of {newest}, is {age} trading days old ({limit})"
    is_old = params.max_age_days is not None and age > params.max_age_days
    return CheckResult.warn("age", message) if is_old else CheckResult.ok("age", message)


def check_missing_days(forecast_days: pl.Series, dataset: pl.LazyFrame, params: MonitorParams) -> CheckResult:
    """List those of the newest days since the first forecast that have none."""
    days = dataset.select(pl.col(DATE).unique().sort()).collect()[DATE].tail(params.newest_days)
    missing = days.filter((days > forecast_days.min()) & ~days.is_in(forecast_days.implode()))
    return _warn_if("days", missing.to_list(), "without a forecast", "all have a forecast")


def check_deviations(daily: pl.DataFrame, record: Mapping[int, HorizonScore], params: MonitorParams) -> CheckResult:
    """Compare the deviation of the newest forecasts with that of the test record."""
    faults = []
    for horizon, score in record.items():
        newest = daily.filter(pl.col(HORIZON) == horizon)[SCALE].drop_nulls().tail(params.newest_days).to_numpy()
        if len(newest) and score.scale.mean:
            ratio = newest.mean() / score.scale.mean
            is_usual = 1 / params.max_deviation_ratio <= ratio <= params.max_deviation_ratio
            faults += [] if is_usual else [f"{horizon} d ({ratio:.2f} times)"]
    return _warn_if("deviation of forecasts", faults, "not as in the test record", "as in the test record")


def check_coverage(live: Mapping[int, HorizonScore], params: MonitorParams) -> CheckResult:
    """Compare the coverage of every quantile with its nominal level."""
    faults = []
    for horizon, score in live.items():
        for name, level in quantile_levels(list(score.coverage)).items():
            coverage, se = score.coverage[name].mean, score.coverage[name].se
            if coverage is not None and se and abs(coverage - level) > max(params.max_coverage_error, 2 * se):
                faults.append(f"{horizon} d {name} ({coverage:.3f})")
    return _warn_if("coverage of quantiles", faults, "not nominal", "nominal")


def check_features(features: pl.DataFrame, params: MonitorParams) -> CheckResult:
    """List the features whose mean or unknown share is not that of the training."""
    has_shifted = pl.col("shift").abs() > params.max_feature_shift
    is_unknown = pl.col("unknown") - pl.col("in_training") > params.max_unknown_increase
    faults = features.filter(has_shifted | is_unknown)["feature"].to_list()
    return _warn_if("features", faults, "not as in training", "as in training")


def _warn_if(name: str, faults: Sequence[object], meaning: str, opposite: str) -> CheckResult:
    """Create a warning that lists the faults, or an ok result without any."""
    if not faults:
        return CheckResult.ok(name, opposite)
    return CheckResult.warn(name, f"{meaning}: {list_names(faults)}")
