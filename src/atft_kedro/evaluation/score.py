"""Scores of forecasts, as metrics.json holds them."""

from typing import Generic, TypeVar

from pydantic import Field

from ..params import Params
from ..schema import ENTRY_LAGS, HorizonKey
from .align import ExcludedForecasts
from .daily_statistics import Mean
from .portfolio import PortfolioParams, PortfolioScore
from .position_score import PositionScore
from .published import PublishedScore
from .quantiles import Units


class EvaluationParams(Params):
    """How forecasts are scored, and their units."""

    portfolio: PortfolioParams
    units: Units


class ScoringParams(Params):
    """How forecasts are scored.

    Their units are those of the labels that a run was trained on, so ``conf/`` cannot set them.
    """

    portfolio: PortfolioParams

    def with_units(self, units: Units) -> EvaluationParams:
        """Add the units of the forecasts."""
        return EvaluationParams(portfolio=self.portfolio, units=units)


class HorizonScore(Params):
    """The scores of forecasts over one horizon."""

    ic: Mean
    rank_ic: Mean
    hit_rate: Mean
    scale: Mean  # standard deviation of the forecasts divided by that of the labels
    deciles: tuple[float | None, ...]  # mean return minus the day's mean, lowest forecasts first
    calibration: tuple[tuple[float | None, float | None], ...]  # of each decile: mean forecast and mean label
    coverage: dict[str, Mean]  # share of labels at or below each quantile
    long_short: PortfolioScore | None  # held for the horizon; needs one-day returns
    long_only: PortfolioScore | None  # return of the top stocks minus the mean return of all forecast stocks
    decay: dict[HorizonKey, float | None]  # mean IC of the same forecasts with the returns over every horizon
    forecasts: int  # count of scored forecasts
    stocks: float | None  # mean count of scored stocks per day
    excluded: ExcludedForecasts


class Score(Params):
    """The scores of one set of forecasts by horizon."""

    horizons: dict[HorizonKey, HorizonScore]
    first: str
    last: str


class BaselineScore(Params):
    """The score of a baseline or ensemble member, and the run's paired differences to it."""

    score: HorizonScore
    differences: dict[str, Mean]  # run minus baseline, by metric: ic, rank_ic, long_short_net


class GoalResult(Params):
    """A wanted metric threshold and the value that a run reached."""

    wanted: float
    is_minimum: bool  # else the goal is a maximum
    value: float | None
    se: float | None = None

    @property
    def is_met(self) -> bool:
        """Check whether the value meets the goal."""
        if self.value is None:
            return False
        return self.value >= self.wanted if self.is_minimum else self.value < self.wanted

    @property
    def verdict(self) -> str:
        """Return met, missed, or why no verdict is possible."""
        if self.value is None:
            return "not measured"
        if self.se is not None and self.se > abs(self.wanted):
            return "no verdict: its error is larger than the goal"
        return "met" if self.is_met else "missed"


Scores = TypeVar("Scores")


class ByEntry(Params, Generic[Scores]):
    """Scores at the entries that the targets do not have; None where not scored."""

    same_close: Scores | None = None
    next_close: Scores | None = None

    def by_lag(self, own: Scores, entry_lag: int) -> dict[int, Scores]:
        """Map each scored entry's lag to its score; ``own`` is that at ``entry_lag``."""
        others = {lag: getattr(self, entry) for entry, lag in ENTRY_LAGS.items() if getattr(self, entry) is not None}
        return dict(sorted((others | {entry_lag: own}).items()))


class EntryScore(Params):
    """The scores of a run and of its baselines at one entry."""

    split: dict[str, dict[HorizonKey, HorizonScore]]
    baselines: dict[str, dict[str, dict[HorizonKey, BaselineScore]]] = Field(default_factory=dict)  # by name and split
    seeds: dict[str, dict[str, dict[HorizonKey, BaselineScore]]] = Field(default_factory=dict)  # ensemble members
    published: dict[str, PublishedScore] = Field(default_factory=dict)  # test forecasts over 1 day, by forecaster
    oracle: dict[str, dict[HorizonKey, HorizonScore]] = Field(default_factory=dict)  # by split; simulated markets


class RunScore(EntryScore, ByEntry[EntryScore]):
    """The score of a run at the entry of its targets, and at the other entries."""

    run: str
    days: dict[str, tuple[str, str]]  # first and last day of each split
    entry_lag: int = 0  # of the targets that the run was trained on
    goals: dict[str, GoalResult] = Field(default_factory=dict)
    positions: PositionScore | None = None  # on the test days, after costs

    @property
    def entries(self) -> dict[int, EntryScore]:
        """Map the lag of each entry to the score at this entry."""
        return self.by_lag(self, self.entry_lag)
