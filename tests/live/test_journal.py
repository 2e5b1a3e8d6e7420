"""The journal: nothing is overwritten, the same inputs are written once, a killed writer loses nothing."""

import signal
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from atft_kedro.export.model import Model
from atft_kedro.live.journal import Journal, hash_inputs, make_entries, select_live_revisions
from factories.exports import Trained, cut_after
from factories.processes import append_and_die, run_in_process

EVENING = datetime(2026, 11, 30, 18)


def make_day(
    trained: Trained, model: Model, days_ago: int, factor: float = 1.0, role: str = "champion"
) -> pl.DataFrame:
    """Make the entries of a day; ``factor`` scales one feature of that day."""
    dates = trained.dataset["date"].unique().sort()
    day = dates[len(dates) - 1 - days_ago]
    is_changed = pl.col("date") == day
    feature = model.card.inputs.scaler.names()[0]
    known = cut_after(trained.dataset, day).with_columns(
        pl.when(is_changed).then(pl.col(feature) * factor).otherwise(feature).alias(feature)
    )
    made_at = EVENING - timedelta(days=days_ago)
    return make_entries(known.lazy(), model.forecast(known), model.card, role, made_at)


def test_entries_hold_the_forecasts_the_closes_and_their_origin(trained: Trained, model: Model) -> None:
    entries = make_day(trained, model, 0)

    newest = trained.dataset.filter(pl.col("date") == pl.col("date").max())
    closes = dict(newest.select("code", "close").iter_rows())
    assert {"q10", "q50", "q90"} <= set(entries.columns)
    assert entries.select("run", "role", "made_at").unique().rows() == [(model.card.run, "champion", EVENING)]
    assert all(close == pytest.approx(closes[code]) for code, close in entries.select("code", "close").iter_rows())
    assert entries["forecast"].equals(model.forecast(trained.dataset)["forecast"])


def test_the_same_day_is_written_once_and_a_correction_is_a_revision(
    trained: Trained, model: Model, tmp_path: Path
) -> None:
    journal = Journal(tmp_path)
    first, corrected = make_day(trained, model, 0), make_day(trained, model, 0, factor=3.0)

    assert [path.name for path in journal.append(first)] == [f"{first['date'][0]}_champion_001.parquet"]
    before = (tmp_path / f"{first['date'][0]}_champion_001.parquet").read_bytes()
    assert journal.append(first.with_columns(pl.col("made_at") + timedelta(hours=1))) == []
    assert len(journal.append(corrected)) == 1
    assert journal.append(corrected) == []

    stored = pl.read_parquet(tmp_path / "*.parquet")  # the one line of the documentation
    assert stored.group_by("revision").len().sort("revision").rows() == [(1, len(first)), (2, len(first))]
    assert (tmp_path / f"{first['date'][0]}_champion_001.parquet").read_bytes() == before


def test_a_correction_in_the_history_is_noticed_by_its_forecasts(
    trained: Trained, model: Model, tmp_path: Path
) -> None:
    entries = make_day(trained, model, 0)
    changed = entries.with_columns(pl.col("forecast") + pl.when(pl.col("rank") == 1).then(0.1).otherwise(0.0))

    assert len(Journal(tmp_path).append(entries)) == 1
    assert len(Journal(tmp_path).append(entries.with_columns(pl.col("forecast") + 1e-7))) == 0  # rounding
    assert len(Journal(tmp_path).append(changed)) == 1
    assert len(Journal(tmp_path).append(changed.with_columns(pl.col("q10") - 0.1))) == 1


def test_only_corrections_of_the_same_evening_are_live(trained: Trained, model: Model, tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for factor, hours in ((1.0, 0), (2.0, 2), (3.0, 24)):
        entries = make_day(trained, model, 0, factor)
        journal.append(entries.with_columns(pl.col("made_at") + timedelta(hours=hours)))

    assert journal.read()["revision"].unique().sort().to_list() == [1, 2, 3]
    assert select_live_revisions(journal.read())["revision"].unique().to_list() == [2]


def test_forecasts_of_earlier_days_are_not_live(trained: Trained, model: Model) -> None:
    backfilled = make_entries(
        trained.dataset.lazy(), model.forecast(trained.dataset, 5), model.card, "champion", EVENING
    )

    live = select_live_revisions(backfilled.with_columns(pl.lit(1, pl.Int16).alias("revision")))

    assert backfilled["date"].n_unique() == 5
    assert live["date"].unique().to_list() == [trained.dataset["date"].max()]


def test_the_hash_depends_on_every_value_that_the_network_reads(trained: Trained, model: Model) -> None:
    columns, lookback = model.card.inputs.columns, model.card.network.lookback
    dates = trained.dataset["date"].unique().sort()
    feature, day = model.card.inputs.scaler.names()[-1], dates[-1]

    def compute(table: pl.DataFrame) -> str:
        return hash_inputs(table.lazy(), columns, dates, day, lookback)

    def change(index: int) -> pl.DataFrame:
        at = pl.struct("date", "code") == pl.struct("date", "code").filter(pl.col("date") == dates[index]).first()
        return trained.dataset.with_columns(pl.when(at).then(9.0).otherwise(feature).alias(feature))

    same = compute(trained.dataset)
    assert compute(trained.dataset.sample(fraction=1.0, shuffle=True, seed=1)) == same
    assert compute(change(-1)) != same
    assert compute(change(-lookback)) != same
    assert compute(change(-lookback - 1)) == same


def test_thirty_days_with_two_kills_and_a_correction_have_the_expected_rows(
    trained: Trained, model: Model, tmp_path: Path
) -> None:
    journal, expected = Journal(tmp_path), 0
    for days_ago in range(29, -1, -1):
        entries = pl.concat([make_day(trained, model, days_ago, role=role) for role in ("champion", "challenger")])
        if days_ago in (20, 10):  # killed before the first and before the second file
            entries.write_parquet(tmp_path / "entries")
            code = run_in_process(append_and_die, tmp_path, tmp_path / "entries", 2 if days_ago == 20 else 5)
            assert code == -signal.SIGKILL
        journal.append(entries)
        expected += len(entries)
    correction = make_day(trained, model, 5, factor=3.0)
    journal.append(correction)

    stored = journal.read()
    assert len(stored) == expected + len(correction)
    assert stored.select("date", "role", "revision", "code", "horizon").is_unique().all()
    assert stored.group_by("date").agg(pl.col("role").n_unique()).get_column("role").to_list() == [2] * 30
    assert stored.filter(revision=2)["date"].unique().to_list() == correction["date"].unique().to_list()
    assert not list(tmp_path.glob("*.partial"))
