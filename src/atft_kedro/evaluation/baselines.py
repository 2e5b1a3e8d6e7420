"""What every network has to beat: rules of thumb, and models that learn from the same features and days."""

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Literal

import polars as pl
from pydantic import Field

from ..panel.split import SplitName
from ..params import Params, Unique
from ..schema import CLOSE, CODE, DATE, ENTRY_LAGS, FORECAST, FORECASTER, HORIZON, SPLIT, oracle_column
from ..training.data import TrainingData
from .boosting import BoostingParams, fit_boosting
from .observations import read_observations
from .quantiles import Units
from .ridge import Predictor, RidgeParams, fit_ridge

ZERO, ORACLE = "zero", "oracle"
KEYS = (DATE, CODE, SPLIT, HORIZON)
Name = Literal["zero", "reversal", "momentum", "ridge", "lightgbm"]

_logger = logging.getLogger(__name__)


class BaselineParams(Params):
    """Which baselines stand beside a network.

    ``reversal`` forecasts the opposite of the last days' return, ``momentum`` that of a year without its last month.
    ``ridge`` and ``lightgbm`` learn each horizon from the train days' features, and choose by the validation days.
    """

    names: Annotated[tuple[Name, ...], Unique] = ("zero", "reversal", "momentum", "ridge", "lightgbm")
    reversal_days: Annotated[int, Field(gt=0)] = 5
    momentum_days: Annotated[int, Field(gt=0)] = 250
    momentum_skip: Annotated[int, Field(ge=0)] = 20
    ridge: RidgeParams = RidgeParams()
    lightgbm: BoostingParams = BoostingParams()


def forecast_baselines(
    forecasts: pl.DataFrame, dataset: pl.LazyFrame, training_data: TrainingData, units: Units, params: BaselineParams
) -> pl.DataFrame:
    """Forecast what a network forecasts of the validation and test days: forecaster, and the columns of forecasts."""
    asked = forecasts.filter(pl.col(SPLIT) != "train").select(KEYS)
    tables = [_name(ZERO, asked.clear().with_columns(pl.lit(0.0).alias(FORECAST)))]  # so that there is a table
    if ZERO in params.names:
        tables.append(_name(ZERO, asked.with_columns(pl.lit(0.0).alias(FORECAST))))
    tables += [_name(rule, asked.join(said, on=[DATE, CODE])) for rule, said in _follow_rules(dataset, params)]
    parts: Sequence[SplitName] = asked[SPLIT].unique(maintain_order=True).to_list()
    tables += [_name(name, asked.join(said, on=KEYS)) for name, said in _learn(training_data, parts, units, params)]
    return pl.concat(tables)


def forecast_with_oracle(forecasts: pl.DataFrame, oracle: pl.DataFrame, entry_lag: int) -> pl.DataFrame:
    """Add forecasts of a simulated market's oracle for each entry; no rows without an oracle."""
    asked = forecasts.select(KEYS)
    tables = [_name(ORACLE, asked.clear().with_columns(pl.lit(0.0).alias(FORECAST)))]
    for lag in sorted({*ENTRY_LAGS.values(), entry_lag}):
        for horizon in asked[HORIZON].unique(maintain_order=True):
            if (column := oracle_column(horizon, lag)) in oracle.columns:
                expected = oracle.select(DATE, CODE, pl.col(column).alias(FORECAST)).drop_nulls()
                mine = asked.filter(pl.col(HORIZON) == horizon).join(expected, on=[DATE, CODE])
                tables.append(_name(oracle_name(lag, entry_lag), mine))
    return pl.concat(tables)


def oracle_name(lag: int, entry_lag: int) -> str:
    """Name the oracle's forecasts of the returns entered at ``lag``; the targets' own are entered at ``entry_lag``."""
    return ORACLE if lag == entry_lag else f"{ORACLE} of lag {lag}"


def _name(name: str, said: pl.DataFrame) -> pl.DataFrame:
    return said.select(pl.lit(name).alias(FORECASTER), *KEYS, pl.col(FORECAST).cast(pl.Float32))


def _follow_rules(dataset: pl.LazyFrame, params: BaselineParams) -> Iterator[tuple[str, pl.DataFrame]]:
    """Forecast from closes, along each stock's own observations."""
    close, first = pl.col(CLOSE), params.momentum_days
    rules = {
        "reversal": 1 - close / close.shift(params.reversal_days),
        "momentum": close.shift(params.momentum_skip) / close.shift(first) - 1,
    }
    chosen = {name: rule for name, rule in rules.items() if name in params.names}
    if CLOSE not in dataset.collect_schema():
        _logger.warning("no baselines %s: the ML dataset has no closes", ", ".join(chosen))
        return
    closes = dataset.select(DATE, CODE, CLOSE).sort(DATE, maintain_order=True)
    for name, rule in chosen.items():
        said = closes.select(DATE, CODE, rule.over(CODE).alias(FORECAST)).drop_nulls().collect()
        if not len(said):
            _logger.warning("no baseline %s: no stock has a history as long as it looks back", name)
        yield name, said


def _learn(
    training_data: TrainingData, parts: Sequence[SplitName], units: Units, params: BaselineParams
) -> Iterator[tuple[str, pl.DataFrame]]:
    """Learn from the train days, and forecast each part."""
    fits: dict[Name, Callable[[], Predictor]] = {
        "ridge": lambda: fit_ridge(training_data, units, params.ridge),
        "lightgbm": lambda: fit_boosting(training_data, units, params.lightgbm),
    }
    for name, fit in fits.items():
        if name in params.names:
            learned = fit()
            yield name, pl.concat([_tabulate(training_data, part, units, learned) for part in parts])


def _tabulate(training_data: TrainingData, part: SplitName, units: Units, learned: Predictor) -> pl.DataFrame:
    """Forecast a part: a row for each date, code and horizon."""
    days, codes = training_data.panel.days, pl.Series(training_data.panel.metadata.codes, dtype=pl.String)
    tables = []
    for rows in read_observations(training_data, part, units):
        said = learned(rows)
        keys = {DATE: days[rows.day.numpy()], CODE: codes.gather(rows.stock.numpy())}
        for place, horizon in enumerate(training_data.panel.metadata.horizons):
            told = pl.DataFrame(keys | {FORECAST: said[:, place].numpy()})
            tables.append(told.with_columns(pl.lit(part).alias(SPLIT), pl.lit(horizon, pl.Int16).alias(HORIZON)))
    return pl.concat(tables)
