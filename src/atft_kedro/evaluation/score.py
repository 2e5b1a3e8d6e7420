"""One score for any forecast: correlations, hit rate, scale, deciles and portfolios of every horizon."""

from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import polars as pl
from pydantic import Field

from .. import metrics
from ..params import InputError, Params
from ..schema import DATE, ENTRY_LAGS, HORIZON, HorizonKey
from .align import (
    ExcludedForecasts,
    HorizonForecasts,
    RealisedReturns,
    format_excluded,
    index_returns,
    lay_out,
    require_forecasts,
)
from .daily_scores import Days, measure_days
from .daily_statistics import Floats, Mean, average, mean_or_none
from .portfolio import Book, DailyTrades, PortfolioParams, Trader, hold_best, hold_by_signal, record
from .published import PublishedScore
from .quantiles import Units


class ScoringParams(Params):
    """How forecasts are scored."""

    portfolio: PortfolioParams = PortfolioParams()


class EvaluationParams(ScoringParams):
    """How forecasts are scored, and in which ``units`` they are written.

    A run's forecasts are in the units of the labels that it was trained on, which no parameter can change afterwards.
    """

    units: Units = "gaussian_rank"


class HorizonScore(Params):
    """What forecasts over one horizon are worth."""

    ic: Mean
    rank_ic: Mean
    hit_rate: Mean
    scale: Mean  # deviation of the forecasts over that of what they should have been
    deciles: tuple[float | None, ...]  # mean return beyond the day's, worst tenth first
    calibration: tuple[tuple[float | None, float | None], ...]  # of each tenth: mean forecast, and what it should be
    coverage: dict[str, Mean]  # share of what came that lies no higher than each quantile
    long_short: Book | None  # daily, in books held for the horizon; needs returns of one day
    long_only: Book | None  # the best stocks, beyond the mean of all that are forecast
    decay: dict[HorizonKey, float | None]  # mean IC of the same forecasts with the returns of every horizon
    forecasts: int  # that were scored
    stocks: float | None  # that were scored on the mean day
    excluded: ExcludedForecasts


class Score(Params):
    """What a set of forecasts is worth, by horizon: ``h1``, ``h5`` and so on."""

    horizons: dict[HorizonKey, HorizonScore]
    first: str
    last: str


class BaselineScore(Params):
    """Another forecaster's score, and how far the run is ahead of it, paired by day."""

    score: HorizonScore
    differences: dict[str, Mean]  # in IC, rank IC and daily net return


class GoalResult(Params):
    """What was wanted of a run, and what came."""

    wanted: float
    is_least: bool  # else it is the most that is wanted
    reached: float | None
    error: float | None = None  # standard error of what was reached, where one is known

    @property
    def verdict(self) -> str:
        """Return whether the goal is met; None where the error is larger than the goal."""
        if self.reached is None:
            return "not measured"
        if self.error is not None and self.error > abs(self.wanted):
            return "no verdict: its error is larger than the goal"
        return "met" if self.is_met else "missed"

    @property
    def is_met(self) -> bool:
        """Say whether it came as it was wanted."""
        if self.reached is None:
            return False
        return self.reached >= self.wanted if self.is_least else self.reached < self.wanted


Block = TypeVar("Block")


class ByEntry(Params, Generic[Block]):
    """A score's block at the entries that are not the targets' own; None where it was not scored there."""

    same_close: Block | None = None
    next_close: Block | None = None

    def put_beside(self, own: Block, entry_lag: int) -> dict[int, Block]:
        """List the block of each entry by its lag, the targets' own (at ``entry_lag``) among them."""
        others = {lag: getattr(self, entry) for entry, lag in ENTRY_LAGS.items()}
        known = {lag: block for lag, block in others.items() if block is not None}
        return dict(sorted((known | {entry_lag: own}).items()))


class EntryScore(Params):
    """What forecasts are worth from one entry, in each part of the days and over each horizon: ``h1`` and so on."""

    split: dict[str, dict[HorizonKey, HorizonScore]]
    baselines: dict[str, dict[str, dict[HorizonKey, BaselineScore]]] = Field(
        default_factory=dict
    )  # by name, split, horizon
    seeds: dict[str, dict[str, dict[HorizonKey, BaselineScore]]] = Field(
        default_factory=dict
    )  # each network alone, where several are
    published: dict[str, PublishedScore] = Field(default_factory=dict)  # by forecaster: the next day, as papers count
    oracle: dict[str, dict[HorizonKey, HorizonScore]] = Field(default_factory=dict)  # what can be known, where that is


class RunScore(EntryScore, ByEntry[EntryScore]):
    """What a run's forecasts are worth: entered as the targets are, and beside that from the other entries."""

    run: str
    days: dict[str, tuple[str, str]]  # the first and the last of each part
    entry_lag: int = 0  # of the targets that it was trained on
    goals: dict[str, GoalResult] = Field(default_factory=dict)

    @property
    def entries(self) -> dict[int, EntryScore]:
        """List the score at each entry by its lag."""
        return self.put_beside(self, self.entry_lag)


@dataclass(frozen=True)
class ScoredForecasts:
    """A score, and the days that it is the sum of: a row for each horizon and date."""

    score: Score
    daily: pl.DataFrame


def evaluate(forecasts: pl.DataFrame, realised: pl.DataFrame, params: EvaluationParams | None = None) -> Score:
    """Score forecasts (date, code, horizon, forecast) by realised returns (date, code, target_1d, target_5d, …).

    Each day of each horizon is scored over the stocks whose forecast and return are known. Where the forecasts have
    quantiles (q10, q90, …), their coverage is; where the realised table holds ``close`` and ``volume``, portfolios
    have a capacity.
    """
    return judge(forecasts, index_returns(realised), params or EvaluationParams()).score


def judge(forecasts: pl.DataFrame, ground: RealisedReturns, params: EvaluationParams) -> ScoredForecasts:
    """Score forecasts, and tell each day."""
    require_forecasts(forecasts)
    scores, tables, places = {}, [], []
    for horizon in sorted(forecasts[HORIZON].unique().to_list()):
        field = lay_out(forecasts, ground, horizon)
        if field.days == slice(0, 0):
            raise InputError(f"Nothing can be scored over {horizon} days: {format_excluded(field.excluded)}.")
        days = measure_days(field, params.units)
        books = _trade(field, params.portfolio) if 1 in ground.returns else None
        scores[horizon] = _score(field, days, books, params.portfolio)
        tables.append(_tabulate(field, days, books, params.portfolio))
        places += [field.days.start, field.days.stop - 1]
    first, last = (str(ground.days[place]) for place in (min(places), max(places)))
    return ScoredForecasts(Score(horizons=scores, first=first, last=last), pl.concat(tables))


Books = tuple[DailyTrades, DailyTrades]  # long and short, long only


def _score(field: HorizonForecasts, days: Days, books: Books | None, params: PortfolioParams) -> HorizonScore:
    asked = days.stocks > 0
    horizon = field.horizon
    records = [record(trades, params.cost_bp, horizon) for trades in books] if books else [None, None]
    tenths = {name: [mean_or_none(column) for column in values.T] for name, values in days.tenths.items()}
    return HorizonScore(
        **{name: average(values, horizon, asked) for name, values in days.numbers.items()},
        deciles=tuple(tenths["earned"]),
        calibration=tuple(zip(tenths["forecast"], tenths["label"], strict=True)),
        coverage={name: average(values, horizon, asked) for name, values in days.coverage.items()},
        long_short=records[0],
        long_only=records[1],
        decay={other: mean_or_none(values) for other, values in days.decay.items()},
        forecasts=int(days.stocks.sum()),
        stocks=mean_or_none(np.where(days.stocks > 0, days.stocks, np.nan)),
        excluded=field.excluded,
    )


def _trade(field: HorizonForecasts, params: PortfolioParams) -> Books:
    """Trade the forecasts day by day, each book held for the horizon, as long as returns are known."""
    ground, daily = field.ground, field.returns(1)
    traded = None if ground.traded is None else ground.traded[field.days]
    known = daily.isfinite().any(-1).nonzero().flatten().tolist() or [-1]
    end = known[-1] + 1
    both, longs = Trader(field.horizon), Trader(field.horizon)
    for stretch in field.stretches():
        mine = slice(min(stretch.start, end), min(stretch.stop, end))
        forecast, returns = field.forecast[mine], daily[mine]
        value = None if traded is None else traded[mine]
        universe = metrics.valid_pairs(forecast, returns)
        market = returns.where(universe, 0).sum(-1, keepdim=True) / universe.sum(-1, keepdim=True).clamp(min=1)
        rank = field.rank[mine]
        both.trade(
            metrics.long_short_weights(rank) if params.weights == "decile" else hold_by_signal(forecast), returns, value
        )
        longs.trade(hold_best(rank, params.top), returns - market, value)
    return both.close(), longs.close()


def _tabulate(field: HorizonForecasts, days: Days, books: Books | None, params: PortfolioParams) -> pl.DataFrame:
    """Tell each day in a row; returns are unknown at the end, where horizons reach beyond the data."""
    dates = field.ground.days[field.days.start : field.days.stop]
    columns: dict[str, Floats] = dict(days.numbers)
    for name, trades in zip(("long_short", "long_only"), books or (), strict=False):
        traded = {"gross": trades.gross, "net": trades.net(params.cost_bp), "turnover": trades.turnover}
        missing = np.full(len(dates) - len(trades.gross), np.nan)
        columns |= {f"{name}_{what}": np.concatenate([values, missing]) for what, values in traded.items()}
    table = pl.DataFrame({DATE: dates, **columns}).with_columns(pl.selectors.float().fill_nan(None))
    return table.select(DATE, pl.lit(field.horizon, dtype=pl.Int16).alias(HORIZON), pl.exclude(DATE))
