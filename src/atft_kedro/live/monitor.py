"""Checks of live forecasts against the champion's test record, quantiles and features."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
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
from ..panel.universe import UniverseParams
from ..params import InputError, Params
from ..schema import DATE, HORIZON, HorizonKey
from ..training.run_status import read_training
from . import live_checks
from .alarm import RankIcTest, accumulate_steps, plan_rank_ic_test
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
    universe: UniverseParams
    earlier: Mapping[str, dict[int, HorizonScore]] = field(default_factory=dict)  # records of other champions, by run


def read_champion(forecasts: pl.DataFrame, models: ExportedModels, params: ScoringParams, entry_lag: int) -> Champion:
    """Read the record of the champion that made the newest forecasts, or of a refit's recipe."""
    run = find_newest_run(forecasts, CHAMPION)
    if run is None:
        raise InputError(f"The journal has no forecast of a champion: {advise_run('--pipelines predict')} adds one.")
    card, record = read_card(models.find(run) / CARD_FILE), _read_record(models, run, entry_lag)
    earlier = {}
    for other in forecasts.filter(pl.col(ROLE) == CHAMPION)[RUN].unique():
        with suppress(InputError):  # its score is of another version; the present record is used
            earlier[other] = _read_record(models, other, entry_lag)
    evaluation = params.with_units(card.corrections.units)
    return Champion(run, card.inputs.scaler, record, evaluation, card.inputs.universe, earlier)


def _read_record(models: ExportedModels, run: str, entry_lag: int) -> dict[int, HorizonScore]:
    """Read the scores of a run, or of a refit's recipe, on the test days."""
    recipe = read_training(models.runs.find(run)).refit_of or run
    score = read_score(models.runs.folder / recipe).entries.get(entry_lag)
    if score is None:
        raise InputError(f"Run {recipe} has no score for an entry lag of {entry_lag}: change monitor.entry_lag.")
    return score.split["test"]


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
    forecasts = forecasts.filter(pl.col(HORIZON).is_in([*champion.record]))  # an earlier champion can have had others
    scored, challenger, challengers = _score_roles(forecasts, champion, dataset, params)
    days = forecasts.filter(pl.col(ROLE) == CHAMPION)[DATE].unique()
    live = scored.score.horizons
    test, statistic = compute_statistic(forecasts, scored.daily, champion, params, restart_after)
    features = measure_features(dataset, champion.scaler, champion.universe, params.newest_days)
    checks = (
        live_checks.check_rank_ic(test, statistic),
        live_checks.check_age(days.max(), today, params),
        live_checks.check_missing_days(days, dataset, params),
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


def compute_statistic(
    forecasts: pl.DataFrame, daily: pl.DataFrame, champion: Champion, params: MonitorParams, restart_after: date | None
) -> tuple[RankIcTest | None, pl.DataFrame]:
    """Plan the champion's test, and compute its statistic on days that share no return.

    A day counts by the record of the run that was the champion then. Equal forecasts of all stocks, which have no
    deviation, have a rank IC of 0. Without a test the statistic is 0.
    """
    horizon = min(champion.record)

    def plan(record: Mapping[int, HorizonScore]) -> RankIcTest | None:
        """Plan the test of a record; None if it has no such horizon."""
        return plan_rank_ic_test(record[horizon].rank_ic, horizon, params.rank_ic) if horizon in record else None

    test = plan(champion.record)
    tests = {run: plan(record) or test for run, record in champion.earlier.items()}
    is_constant = pl.col(SCALE) == 0
    days = daily.filter(pl.col(HORIZON) == horizon)
    days = days.with_columns(pl.when(is_constant).then(0.0).otherwise(RANK_IC).alias(RANK_IC))
    known = select_nonoverlapping(np.flatnonzero(days[RANK_IC].is_not_null()), horizon)
    runs = forecasts.filter(pl.col(ROLE) == CHAMPION).select(DATE, RUN).unique(DATE)
    tested = days[known].filter(pl.col(DATE) > (restart_after or date.min)).select(DATE, RANK_IC)
    tested = tested.join(runs, on=DATE, how="left", maintain_order="left")
    if test is None:
        return None, tested.with_columns(pl.lit(0.0).alias(STATISTIC))
    steps = [
        float((tests.get(run) or test).compute_steps(np.array(value)))
        for run, value in tested.select(RUN, RANK_IC).iter_rows()
    ]
    return test, tested.with_columns(pl.Series(STATISTIC, accumulate_steps(np.array(steps)), pl.Float64))
