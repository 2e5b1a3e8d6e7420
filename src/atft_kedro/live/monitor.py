"""Checks of live forecasts against the champion's test record, quantiles and features."""

from dataclasses import dataclass
from datetime import date
from typing import Literal, Self

import numpy as np
import polars as pl

from ..advice import advise_run
from ..checks import CheckResult, Severity, find_worst
from ..evaluation.align import index_returns
from ..evaluation.compare_baselines import pair_with_baseline
from ..evaluation.daily_statistics import select_nonoverlapping
from ..evaluation.entries import collect_returns, returns_by_lag
from ..evaluation.run_scores import read_score
from ..evaluation.score import BaselineScore, EvaluationParams, HorizonScore, ScoringParams
from ..evaluation.score_forecasts import ScoredForecasts, score_forecasts
from ..export.champion import CHALLENGER, CHAMPION
from ..export.model_card import CARD_FILE, read_card
from ..export.model_folder import ExportedModels
from ..panel.scaler import Scaler
from ..params import InputError, Params
from ..schema import DATE, HORIZON, HorizonKey
from ..training.run_status import read_training
from . import live_checks
from .alarm import RankIcTest, plan_rank_ic_test
from .journal import ROLE, RUN
from .live_checks import RANK_IC, SCALE, STATISTIC, MonitorParams, measure_features

Status = Literal["ok", "warning", "alarm"]
STATUSES: dict[Severity, Status] = {"ok": "ok", "skipped": "ok", "warn": "warning", "error": "alarm"}


class MonitorReport(Params):
    """The checks of a champion's live forecasts (`monitor.json`)."""

    status: Status
    run: str
    challenger: str | None
    made_on: date
    entry_lag: int  # of the returns
    first: date  # days with forecasts
    last: date
    scored_until: date | None  # newest tested day
    restarted_after: date | None  # acknowledged day
    checks: tuple[CheckResult, ...]
    test: RankIcTest | None
    live: dict[HorizonKey, HorizonScore]
    record: dict[HorizonKey, HorizonScore]
    challengers: dict[HorizonKey, BaselineScore]  # the challenger, and the differences to it

    def describe(self) -> str:
        """Describe the status and the checks that are not ok."""
        faults = "; ".join(f"{check.name}: {check.message}" for check in self.checks if check.severity != "ok")
        return ": ".join(filter(None, (f"{self.status}, live forecasts of run {self.run} until {self.last}", faults)))


class LiveAlarm(InputError):
    """The live forecasts are no longer as good as the test record promised."""

    exit_code = 3


class Acknowledgement(Params):
    """An accepted alarm: the rank IC is tested again on the days after ``until``."""

    run: str  # the champion of that time
    until: date
    at: date
    reason: str


class Acknowledgements(Params):
    """All accepted alarms, the oldest first."""

    entries: tuple[Acknowledgement, ...] = ()

    @property
    def last_day(self) -> date | None:
        """Return the last acknowledged day; None without any."""
        return max((entry.until for entry in self.entries), default=None)

    def add(self, report: MonitorReport, reason: str) -> Self:
        """Acknowledge the alarm of a report."""
        assert report.scored_until is not None
        entry = Acknowledgement(run=report.run, until=report.scored_until, at=date.today(), reason=reason)
        return self.model_copy(update={"entries": (*self.entries, entry)})


@dataclass(frozen=True)
class MonitoredForecasts:
    """A report, and the tables that its page shows."""

    report: MonitorReport
    daily: pl.DataFrame  # scores by horizon and day
    statistic: pl.DataFrame  # of the sequential test, by tested day
    features: pl.DataFrame  # shift and unknown shares, the largest drift first


@dataclass(frozen=True)
class Champion:
    """A run's scaler, and its scores on the test days, by horizon."""

    run: str
    scaler: Scaler
    record: dict[int, HorizonScore]
    evaluation: EvaluationParams


def read_champion(forecasts: pl.DataFrame, models: ExportedModels, params: ScoringParams, entry_lag: int) -> Champion:
    """Read the record of the champion that made the newest forecasts, or of a refit's recipe."""
    run = find_newest_run(forecasts, CHAMPION)
    if run is None:
        raise InputError(f"The journal has no forecast of a champion: {advise_run('--pipelines predict')} adds one.")
    folder = models.find(run)
    card, recipe = read_card(folder / CARD_FILE), read_training(folder.parent).refit_of or run
    record = read_score(models.runs.folder / recipe).entries.get(entry_lag)
    if record is None:
        raise InputError(f"Run {recipe} has no score for an entry lag of {entry_lag}: change monitor.entry_lag.")
    evaluation = params.with_units(card.corrections.units)
    return Champion(run, card.inputs.scaler, record.split["test"], evaluation)


def find_newest_run(forecasts: pl.DataFrame, role: str) -> str | None:
    """Find the run that made the newest forecasts in a role; None without any."""
    if not len(forecasts):
        return None
    runs = forecasts.filter(pl.col(ROLE) == role).sort(DATE, maintain_order=True)[RUN]
    return runs[-1] if len(runs) else None


def monitor_forecasts(
    forecasts: pl.DataFrame,
    champion: Champion,
    dataset: pl.LazyFrame,
    params: MonitorParams,
    today: date,
    restart_after: date | None,
) -> MonitoredForecasts:
    """Score counted forecasts with the known returns; test the rank IC after ``restart_after``."""
    scored, challenger, challengers = _score_roles(forecasts, champion, dataset, params)
    days = forecasts.filter(pl.col(ROLE) == CHAMPION)[DATE].unique()
    live, shortest = scored.score.horizons, min(champion.record)
    test = plan_rank_ic_test(champion.record[shortest].rank_ic, shortest, params.rank_ic)
    statistic = _accumulate(scored.daily.filter(pl.col(HORIZON) == shortest), shortest, test, restart_after)
    features = measure_features(dataset, champion.scaler, params.newest_days)
    checks = (
        live_checks.check_rank_ic(test, statistic),
        live_checks.check_age(days.max(), today, params),
        live_checks.check_missing_days(days, dataset),
        live_checks.check_deviations(scored.daily, champion.record, params),
        live_checks.check_coverage(live, params),
        live_checks.check_features(features, params),
    )
    report = MonitorReport(
        status=STATUSES[find_worst(check.severity for check in checks)],
        run=champion.run,
        challenger=challenger,
        made_on=today,
        entry_lag=params.entry_lag,
        first=days.min(),
        last=days.max(),
        scored_until=statistic[DATE].max(),
        restarted_after=restart_after,
        checks=checks,
        test=test,
        live=live,
        record=champion.record,
        challengers=challengers,
    )
    return MonitoredForecasts(report, scored.daily, statistic, features)


def _score_roles(
    forecasts: pl.DataFrame, champion: Champion, dataset: pl.LazyFrame, params: MonitorParams
) -> tuple[ScoredForecasts, str | None, dict[int, BaselineScore]]:
    """Score the forecasts of all champions; pair the newest challenger with them by day.

    If a new champion is trained every week, a test of the days of one champion would never end.
    """
    by_lag = returns_by_lag(collect_returns(dataset, forecasts[DATE], params.target_lag), params.target_lag)
    realised, challenger = index_returns(by_lag[params.entry_lag]), find_newest_run(forecasts, CHALLENGER)
    scored = score_forecasts(forecasts.filter(pl.col(ROLE) == CHAMPION), realised, champion.evaluation)
    if challenger is None:
        return scored, None, {}
    shadow = score_forecasts(
        forecasts.filter((pl.col(ROLE) == CHALLENGER) & (pl.col(RUN) == challenger)), realised, champion.evaluation
    )
    return scored, challenger, pair_with_baseline(scored, shadow, is_zero=False)


def _accumulate(days: pl.DataFrame, horizon: int, test: RankIcTest | None, restart_after: date | None) -> pl.DataFrame:
    """Compute the statistic on days that share no return; without a test it is 0.

    Equal forecasts of all stocks, which have no deviation, have a rank IC of 0.
    """
    is_constant = pl.col(SCALE) == 0
    days = days.with_columns(pl.when(is_constant).then(0.0).otherwise(RANK_IC).alias(RANK_IC))
    known = select_nonoverlapping(np.flatnonzero(days[RANK_IC].is_not_null()), horizon)
    tested = days[known].filter(pl.col(DATE) > (restart_after or date.min)).select(DATE, RANK_IC)
    values = tested[RANK_IC].to_numpy()
    return tested.with_columns(pl.Series(STATISTIC, test.accumulate(values) if test else np.zeros(len(values))))
