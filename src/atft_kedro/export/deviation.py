"""How far returns of a horizon lately lay apart: what turns a forecast in deviations into a return."""

import polars as pl

from ..metrics import MIN_STOCKS
from ..schema import CODE, DATE, ELIGIBLE, HORIZON, target

DEVIATION = "deviation"
RECENT = 60  # days whose deviations are averaged
PLACE = "place"


def measure_deviations(
    frame: pl.LazyFrame, universe: pl.DataFrame, horizons: tuple[int, ...], entry_lag: int, days: int
) -> pl.DataFrame:
    """Average, for each of the newest days, the universe's deviation of the returns known by then.

    Returns ``date, horizon, deviation``; null where the observations carry no targets. The average is over the
    last 60 days whose returns had ended by the forecast's day.
    """
    schema = frame.collect_schema()
    known = [target(horizon) for horizon in horizons if target(horizon) in schema]
    rows = frame.select(DATE, CODE, pl.col(known).cast(pl.Float64)).collect().with_columns(universe[ELIGIBLE])
    rows = rows.with_columns((pl.col(DATE).rank("dense").cast(pl.Int64) - 1).alias(PLACE)).sort(PLACE)
    dates = rows[DATE].unique().sort()
    table = []
    for horizon in horizons:
        reach = entry_lag + horizon
        daily = _measure_days(rows, target(horizon), reach) if target(horizon) in schema else None
        for place in range(len(dates) - days, len(dates)):
            mean = (
                None if daily is None else daily.filter(pl.col(PLACE) + reach <= place).tail(RECENT)[DEVIATION].mean()
            )
            table.append((dates[place], horizon, mean))
    columns = {DATE: pl.Date, HORIZON: pl.Int16, DEVIATION: pl.Float32}
    return pl.DataFrame(table, schema=columns, orient="row")


def _measure_days(rows: pl.DataFrame, name: str, reach: int) -> pl.DataFrame:
    """Measure each day's deviation of the returns that end ``reach`` days later.

    A return over a gap of its stock ends later, or nobody knows when, and is left out.
    """
    in_time = pl.col(PLACE).shift(-reach).over(CODE) == pl.col(PLACE) + reach
    there = rows.filter(pl.col(ELIGIBLE) & in_time & pl.col(name).is_finite())
    daily = there.group_by(PLACE).agg(pl.col(name).std(ddof=0).alias(DEVIATION), pl.len())
    return daily.filter(pl.col("len") >= MIN_STOCKS).sort(PLACE)
