"""Replay live days on a simulated market whose effects end, and measure the monitor.

``python tests/replay_live_days.py FOLDER`` simulates the default market once, with more days, and trains on its first
days. Then it reveals one day after the other: forecast, journal, monitor. Three of the days are run by the commands
too. It prints the false alarms while the effects last and the delay of the alarm after they have ended, then the same
for resampled daily rank ICs. The folder keeps market, training and journal for the next call.
"""

# ruff: noqa: T201 — a script prints
import subprocess
import sys
from collections.abc import Callable
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl

from atft_kedro.evaluation.daily_statistics import average
from atft_kedro.evaluation.score import ScoringParams
from atft_kedro.export.champion import CHAMPION
from atft_kedro.export.model import load_model
from atft_kedro.export.model_folder import ExportedModels
from atft_kedro.export.predict import PredictParams, predict
from atft_kedro.files import read_json
from atft_kedro.live.alarm import AlarmParams, RankIcTest, plan_rank_ic_test
from atft_kedro.live.journal import Journal, make_entries, select_live_revisions
from atft_kedro.live.live_checks import MonitorParams
from atft_kedro.live.monitor import monitor_forecasts, read_champion
from atft_kedro.live.monitor_page import build_monitor_page
from atft_kedro.market.simulated_drivers import MarketParams
from atft_kedro.market.simulation import simulate_market, trading_days
from atft_kedro.panel.scaler import FeatureCatalogue
from atft_kedro.schema import target_columns
from atft_kedro.training.runs import Runs
from factories.params import make_params

TRAINED, GOOD, BAD = 1000, 135, 135  # days
BY_COMMAND = (0, GOOD, GOOD + BAD - 1)  # live days that the commands forecast and monitor too
ROOT = Path(__file__).parent.parent
KEDRO = Path(sys.executable).with_name("kedro")
PATHS, BLOCK, LONGEST = 1000, 10, 3000  # resampled paths, days in a block, days of a path
ALARM = make_params(AlarmParams)
COLUMNS = ["code", "horizon", "forecast"]


def simulate() -> tuple[pl.DataFrame, pl.Series]:
    """Simulate the default market with more days; its effects end in the middle of the live days."""
    days = pl.Series(trading_days(make_params(MarketParams).start, TRAINED + GOOD + BAD)).cast(pl.Date)
    params = make_params(MarketParams, days=len(days), strengths_until=days[TRAINED + GOOD - 1])
    return simulate_market(params).prices, days


def run_kedro(folder: Path, prices: pl.DataFrame, data: str, *words: str) -> int:
    """Run pipelines on these prices as a user's files; return the exit code."""
    path = folder / "prices.parquet"
    prices.write_parquet(path)
    params = [f"prices={path}", f"data_root={folder / data}", "workspace=replay", "features.entry_lag=0"]
    command = [KEDRO, "run", "--env", "files", *words, "--params", ",".join([*params, "predict.max_age_days=null"])]
    with (folder / "commands.log").open("a") as log:
        return subprocess.run(command, cwd=ROOT, check=False, stdout=log, stderr=log).returncode


def reveal(dataset: pl.DataFrame, day: date) -> pl.DataFrame:
    """Return what is known at a day's close: no later rows, and no returns that end later."""
    known = dataset.filter(pl.col("date") <= day)
    later = pl.int_range(pl.len()).reverse().over("code", order_by="date")
    targets = target_columns(known.schema).items()
    return known.with_columns(pl.when(later >= horizon).then(name).alias(name) for name, horizon in targets)


class Replay:
    """The live days of a trained model."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.prices, self.days = simulate()
        if not (folder / "data" / "06_models" / "trained_run.json").exists():
            first = self.prices.filter(pl.col("date") < self.days[TRAINED])
            assert run_kedro(folder, first, "data") == 0, "the training failed"
        if not (folder / "all" / "05_model_input" / "guard_verdict.json").exists():
            assert run_kedro(folder, self.prices, "all", "--pipelines", "data,guard") == 0
        self.dataset = pl.read_parquet(folder / "all" / "05_model_input" / "ml_dataset.parquet")
        self.catalogue = FeatureCatalogue.of(read_json(folder / "all" / "08_reporting" / "feature_catalogue.json"))
        self.models = ExportedModels(Runs(folder / "data" / "06_models" / "runs", commit="", is_dirty=False))
        self.journal = Journal(folder / "data" / "07_model_output" / "journal")

    def forecast(self) -> None:
        """Forecast every live day in this process, and add it to the journal; some days by the commands first."""
        model, params = load_model(self.models.find("latest")), make_params(PredictParams)
        for number, day in enumerate(self.days[TRAINED:]):
            prices = self.prices.filter(pl.col("date") <= day)
            codes = [run_kedro(self.folder, prices, "data", "--pipelines", "predict")] if number in BY_COMMAND else []
            known = reveal(self.dataset, day).lazy()
            forecasts, _ = predict(known, self.catalogue, 0, model, params)
            made_at = datetime.combine(day, datetime.min.time()) + timedelta(hours=18)
            self.journal.append(make_entries(known, forecasts, model.card, CHAMPION, made_at))
            if number in BY_COMMAND:
                stored = self.journal.read().filter(date=day)
                is_equal = stored.select(COLUMNS).sort(COLUMNS).equals(forecasts.select(COLUMNS).sort(COLUMNS))
                codes.append(run_kedro(self.folder, prices, "data", "--pipelines", "monitor"))
                status = read_json(self.folder / "data" / "08_reporting" / "monitor.json")["status"]
                print(f"{day}, live day {number + 1}, by command: exit codes {codes}, status {status}")
                print(f"  forecasts of command and function are equal: {is_equal} ({len(stored)} rows)")

    def monitor(self, entry_lag: int) -> None:
        """Monitor after every live day, and print the first warning and alarm of both halves."""
        journal, params = select_live_revisions(self.journal.read()), make_params(MonitorParams, entry_lag=entry_lag)
        champion = read_champion(journal, self.models, make_params(ScoringParams), entry_lag)
        seen = []
        for number, day in enumerate(self.days[TRAINED + 2 :], start=3):
            known, until = reveal(self.dataset, day).lazy(), journal.filter(pl.col("date") <= day)
            monitored = monitor_forecasts(until, champion, known, params, day, None)
            seen.append((number, monitored.report.status, monitored.report.checks[0].severity))
        (self.folder / f"monitor_{entry_lag}.html").write_text(build_monitor_page(monitored))
        (self.folder / f"monitor_{entry_lag}.json").write_text(monitored.report.model_dump_json(indent=2))
        test, checks = monitored.report.test, pl.DataFrame(seen, schema=["day", "status", "rank_ic"], orient="row")
        good, bad = checks.filter(pl.col("day") <= GOOD), checks.filter(pl.col("day") > GOOD)
        print(f"entry lag {entry_lag}: {test}")
        alarms, warnings = (good.filter(rank_ic=severity).height for severity in ("error", "warn"))
        print(f"  good half, {GOOD} days: {alarms} with an alarm and {warnings} with a warning of the test")
        for severity, name in (("warn", "warning"), ("error", "alarm")):
            first = bad.filter(rank_ic=severity)["day"].min()
            print(f"  first {name} {None if first is None else first - GOOD} days after the effects ended")
        print(f"  last report: {[(check.name, check.severity, check.message) for check in monitored.report.checks]}")

    def resample(self, entry_lag: int) -> None:
        """Print the rates and delays of the test on resampled daily rank ICs of the test days."""
        stored = pl.read_parquet(self.models.find("latest").parent / "daily.parquet")
        own = stored.filter(forecaster="network", split="test", horizon=1, entry_lag=entry_lag)
        daily = own["rank_ic"].drop_nulls().to_numpy()
        test = plan_rank_ic_test(average(daily, 1), 1, ALARM)
        assert test is not None
        own_test = partial(accumulate_rows, test)
        for block in (1, BLOCK):
            rates = [
                format_rate(find_alarms(own_test, draw(daily - daily.mean() + mean, LONGEST, block), test.alarm))
                for mean in (test.limit, 0.75 * daily.mean(), daily.mean())
            ]
            both = np.hstack([draw(daily, 250, block), draw(daily - daily.mean(), LONGEST, block)])
            delays = format_delays(find_alarms(own_test, both, test.alarm) - 250)
            print(f"entry lag {entry_lag}, {len(daily)} resampled days in blocks of {block}, {test}")
            print(f"  days between false alarms at limit, 3/4, all: {', '.join(rates)}; {delays}")


def compare_tests(mean: float, deviation: float, days: int) -> None:
    """Print the delays of the CUSUM and of e-detectors on normal rank ICs.

    The e-detectors are those of "E-detectors: a nonparametric framework for sequential change detection" (Shin, Ramdas
    and Rinaldo, 2024) for values in [-1, 1]: bets against the limit, restarted every day and summed (Shiryaev-Roberts)
    or the largest (CUSUM). Their level of 500 bounds the mean number of days between false alarms from below.
    """
    random = np.random.default_rng(5)
    values = random.normal(size=days)
    test = plan_rank_ic_test(average(mean + deviation * (values - values.mean()) / values.std(), 1), 1, ALARM)
    assert test is not None
    print(f"normal rank ICs of {mean} with a deviation of {deviation}, a record of {days} days: {test}")
    bet = min(test.limit / (deviation**2 + test.limit**2), 0.99 / (1 - test.limit))
    detectors = {
        "CUSUM": (partial(accumulate_rows, test), test.alarm),
        "e-detector, summed": (lambda paths: accumulate_bets(paths, test.limit, bet, is_sum=True), 500.0),
        "e-detector, largest": (lambda paths: accumulate_bets(paths, test.limit, bet, is_sum=False), 500.0),
        "e-detector, summed, adaptive bets": (
            lambda paths: accumulate_bets(paths, test.limit, None, is_sum=True),
            500.0,
        ),
    }
    for name, (accumulate, level) in detectors.items():
        rates = []
        for true_mean in (test.limit, 0.75 * mean, mean):
            found = find_alarms(accumulate, random.normal(true_mean, deviation, (PATHS, LONGEST)), level)
            rates.append(format_rate(found))
        paths = random.normal(0, deviation, (PATHS, 250 + LONGEST))
        paths[:, :250] += mean
        delays = find_alarms(accumulate, paths, level) - 250
        print(f"  {name}: days between false alarms at limit, 3/4, all: {', '.join(rates)}; {format_delays(delays)}")


def accumulate_rows(test: RankIcTest, paths: np.ndarray) -> np.ndarray:
    """Compute the statistic of each path (row)."""
    return np.stack([test.accumulate(path) for path in paths])


def accumulate_bets(paths: np.ndarray, limit: float, bet: float | None, *, is_sum: bool) -> np.ndarray:
    """Compute an e-detector of each path (row); without a bet it is chosen from the days before."""
    total, mean, square = (np.full(len(paths), start) for start in (0.0, 0.0, 0.0064))
    columns, largest = [], 0.99 / (1 - limit)
    for value in paths.T:
        chosen = np.clip((limit - mean) / square, 0.25, largest) if bet is None else bet
        total = (total + 1 if is_sum else np.maximum(total, 1)) * (1 + chosen * (limit - value))
        mean, square = 0.98 * mean + 0.02 * value, 0.98 * square + 0.02 * value**2
        columns.append(total)
    return np.stack(columns, axis=1)


def find_alarms(accumulate: Callable[[np.ndarray], np.ndarray], paths: np.ndarray, level: float) -> np.ndarray:
    """Find the day of each path's first alarm, from 1; infinite without any."""
    reached = accumulate(paths) >= level
    return np.where(reached.any(axis=1), reached.argmax(axis=1) + 1.0, np.inf)


def format_rate(found: np.ndarray) -> str:
    """Format the mean number of days between false alarms, with days and alarms counted over all paths."""
    alarms = int(np.isfinite(found).sum())
    days = np.minimum(found, LONGEST).sum()
    return f"{days / alarms:.0f}" if alarms else f"more than {days:.0f}"


def format_delays(delays: np.ndarray) -> str:
    """Format the share of alarms before the change, and the quantiles of the others' delays."""
    late = delays[delays > 0]
    low, half, high = np.quantile(late, (0.1, 0.5, 0.9))
    return f"{np.mean(delays <= 0):.1%} before the change, delay {half:.0f} days (10 % {low:.0f}, 90 % {high:.0f})"


def draw(daily: np.ndarray, days: int, block: int) -> np.ndarray:
    """Draw paths of days in circular blocks."""
    starts = np.random.default_rng(6).integers(0, len(daily), (PATHS, -(-days // block)))
    return daily[((starts[..., None] + np.arange(block)) % len(daily)).reshape(PATHS, -1)[:, :days]]


if __name__ == "__main__":
    for record in ((0.04, 0.08, 250), (0.04, 0.08, 120), (0.0853, 0.0881, 199)):
        compare_tests(*record)
    replay = Replay(Path(sys.argv[1]).absolute())
    for lag in (0, 1):
        replay.resample(lag)
    replay.forecast()
    for lag in (0, 1):
        replay.monitor(lag)
