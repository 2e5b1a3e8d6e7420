"""Live forecasts are scored and checked against the test record of their model."""

import json
import shutil
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.stats import spearmanr

from atft_kedro.evaluation.score import ScoringParams
from atft_kedro.export.model_folder import ExportedModels
from atft_kedro.live.live_checks import MonitorParams
from atft_kedro.live.monitor import Acknowledgements, Champion, read_champion
from atft_kedro.params import InputError
from atft_kedro.training.runs import Runs
from factories.exports import Trained
from factories.live_forecasts import (
    FIRST,
    both_horizons,
    find,
    forecast,
    make_champion,
    make_dataset,
    monitor,
    to_journal,
)
from factories.params import make_params

PARAMS = make_params(MonitorParams)
DAYS = 200


@pytest.fixture(scope="module")
def champion() -> Champion:
    return make_champion()


@pytest.fixture(scope="module")
def returns() -> pl.DataFrame:
    return make_dataset(DAYS)


def test_forecasts_as_good_as_the_record_are_ok(returns: pl.DataFrame, champion: Champion) -> None:
    journal = to_journal(both_horizons(returns, 0.1))

    monitored = monitor(returns, journal, champion)

    days = journal.filter(horizon=1).join(returns, on=["date", "code"]).partition_by("date")
    expected = [spearmanr(day["forecast"], day["target_1d"]).statistic for day in days]
    assert monitored.report.status == "ok", monitored.report.checks
    assert monitored.report.live[1].rank_ic.mean == pytest.approx(np.mean(expected))
    assert monitored.statistic["rank_ic"].to_numpy() == pytest.approx(expected)
    assert monitored.report.challenger is None


def test_a_lost_signal_is_an_alarm_until_it_is_acknowledged(returns: pl.DataFrame) -> None:
    champion = make_champion(skill=0.3)
    journal = to_journal(both_horizons(returns, 0.3, until=FIRST + timedelta(days=60)))

    monitored = monitor(returns, journal, champion)
    acknowledged = Acknowledgements().add(monitored.report, "the data vendor changed")
    later = make_dataset(DAYS + 5)
    more = pl.concat([journal, to_journal(both_horizons(later.filter(pl.col("date") > journal["date"].max()), 0.0))])
    again = monitor(later, more, champion, after=acknowledged.last_day)

    assert monitored.report.status == "alarm"
    assert monitored.statistic.filter(pl.col("date") <= FIRST + timedelta(days=60))["statistic"].max() < 3
    assert "kedro atft monitor ack" in find(monitored, "rank IC").advice[0]
    description = monitored.report.describe()
    assert description.startswith(f"alarm, live forecasts of run first until {journal['date'].max()}: rank IC: mean ")
    assert again.report.status != "alarm"
    assert len(again.statistic) == 5
    assert Acknowledgements().last_day is None


def test_the_test_continues_with_the_days_of_earlier_champions(returns: pl.DataFrame) -> None:
    champion = make_champion(skill=0.3)
    journal = to_journal(both_horizons(returns, 0.3, until=FIRST + timedelta(days=60)))
    replaced = journal.with_columns(
        run=pl.when(pl.col("date") > FIRST + timedelta(days=64)).then(pl.lit("second")).otherwise("run")
    )

    whole, continued = monitor(returns, journal, champion), monitor(returns, replaced, champion)

    assert continued.statistic.drop("run").equals(whole.statistic.drop("run"))
    assert continued.report.status == "alarm"


def test_an_alarm_stays_if_the_signal_returns(returns: pl.DataFrame) -> None:
    lost = pl.col("date").is_between(FIRST + timedelta(days=60), FIRST + timedelta(days=100))
    reversed_sign = pl.when(lost).then(-pl.col("forecast")).otherwise("forecast")
    forecasts = both_horizons(returns, 0.3).with_columns(forecast=reversed_sign)

    monitored = monitor(returns, to_journal(forecasts), make_champion(skill=0.3))

    assert monitored.statistic["statistic"][-1] == 0
    assert find(monitored, "rank IC").severity == "error"


def test_days_of_an_earlier_champion_count_by_its_own_record(returns: pl.DataFrame) -> None:
    weak, strong = make_champion(skill=0.1), make_champion(skill=0.5)
    border = FIRST + timedelta(days=100)
    first = both_horizons(returns.filter(pl.col("date") <= border), 0.1)
    second = both_horizons(returns.filter(pl.col("date") > border), 0.5)
    journal = pl.concat([to_journal(first), to_journal(second, "second")])

    own = monitor(returns, journal, replace(strong, run="second", earlier={"first": weak.record}))
    pooled = monitor(returns, journal, replace(strong, run="second"))

    assert own.report.status == "ok", own.report.checks
    assert pooled.report.status == "alarm"  # the weak champion is tested with the promise of the strong one


def test_horizons_that_the_present_champion_does_not_forecast_are_left_out(returns: pl.DataFrame) -> None:
    journal = to_journal(both_horizons(returns, 0.1))

    report = monitor(returns.drop("target_5d"), journal, make_champion(horizons=(1,))).report

    assert list(report.live) == [1]


def test_the_challenger_is_paired_by_day(returns: pl.DataFrame, champion: Champion) -> None:
    own, other = forecast(returns, 0.1), forecast(returns, 0.3, seed=5).filter(pl.col("date") > FIRST + timedelta(9))
    journal = pl.concat([to_journal(own), to_journal(other, "second", "challenger")])

    report = monitor(returns, journal, make_champion(horizons=(1,))).report

    def daily(forecasts: pl.DataFrame) -> dict[date, float]:
        days = forecasts.join(returns, on=["date", "code"]).partition_by("date")
        return {day["date"][0]: spearmanr(day["forecast"], day["target_1d"]).statistic for day in days}

    champions, challengers = daily(own), daily(other)
    lead = report.challengers[1].differences["rank_ic"]
    assert report.challenger == "second"
    assert lead.days == DAYS - 10
    assert lead.mean == pytest.approx(np.mean([champions[day] - challengers[day] for day in challengers]))


def test_every_fifth_day_is_tested_if_no_horizon_is_shorter(returns: pl.DataFrame) -> None:
    monitored = monitor(returns, to_journal(forecast(returns, 0.1, 5)), make_champion(horizons=(5,)))

    assert monitored.statistic["date"].diff().drop_nulls().unique().to_list() == [timedelta(days=5)]


def test_equal_forecasts_of_all_stocks_have_a_rank_ic_of_zero(returns: pl.DataFrame) -> None:
    journal = to_journal(forecast(returns, 0.3).with_columns(forecast=pl.lit(0.2)))

    monitored = monitor(returns, journal, make_champion(skill=0.3, horizons=(1,)))

    assert monitored.statistic["rank_ic"].to_list() == [0.0] * DAYS
    assert monitored.report.status == "alarm"


def test_a_record_without_skill_cannot_be_tested(returns: pl.DataFrame) -> None:
    monitored = monitor(returns, to_journal(both_horizons(returns, 0.1)), make_champion(skill=0.0))

    assert monitored.report.test is None
    assert "cannot be tested: the lower bound of the test record's rank IC" in find(monitored, "rank IC").message
    assert monitored.report.status == "warning"


def test_a_journal_without_a_known_return_is_no_alarm(returns: pl.DataFrame, champion: Champion) -> None:
    unknown = returns.with_columns(pl.lit(None, pl.Float64).alias(name) for name in ("target_1d", "target_5d"))

    journal = to_journal(both_horizons(returns.filter(pl.col("date") > FIRST + timedelta(days=150)), 0.1))
    monitored = monitor(unknown, journal, champion)

    assert find(monitored, "rank IC").message == "no return is known yet"
    assert monitored.report.scored_until is None


def test_an_empty_journal_is_refused(tmp_path: Path) -> None:
    models = ExportedModels(Runs(tmp_path, commit="a", is_dirty=False))

    with pytest.raises(InputError, match="The journal has no forecast of a champion: kedro run --pipelines predict"):
        read_champion(pl.DataFrame(), models, make_params(ScoringParams), 0)


@pytest.mark.long
def test_a_refit_has_the_record_of_its_recipe(trained: Trained, model_folder: Path, tmp_path: Path) -> None:
    recipe, refit = tmp_path / "recipe", tmp_path / "refit"
    for folder in (recipe, refit):
        shutil.copytree(model_folder.parent, folder)
    (recipe / "metrics.json").write_text(trained.score.model_dump_json())
    manifest = json.loads((refit / "manifest.json").read_text())
    manifest["training"]["refit_of"] = "recipe"
    (refit / "manifest.json").write_text(json.dumps(manifest))
    models = ExportedModels(Runs(tmp_path, commit="a", is_dirty=False))
    days = {"date": [FIRST, FIRST + timedelta(days=1)], "run": ["another", "refit"]}
    journal = pl.DataFrame(days).with_columns(role=pl.lit("champion"))

    champion = read_champion(journal, models, make_params(ScoringParams), 1)

    assert champion.run == "refit"
    assert champion.record == trained.score.entries[1].split["test"]
    assert champion.scaler == trained.inputs.scaler
    with pytest.raises(InputError, match="Run recipe has no score for an entry lag of 3: change monitor.entry_lag"):
        read_champion(journal, models, make_params(ScoringParams), 3)
