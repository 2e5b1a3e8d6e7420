"""The record of the champion: who is promoted, how a rollback finds the one before, and a kill at any moment."""

import json
import signal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atft_kedro.export.champion import ChampionRecord, Promotion, read_record, update_record
from atft_kedro.params import InputError
from factories.processes import promote_and_die, run_in_process


def promote(record: ChampionRecord, run: str) -> ChampionRecord:
    return record.promote(Promotion(run=run, how="gate", reason="tested"))


def roll_back(record: ChampionRecord) -> ChampionRecord:
    return record.promote(Promotion(run=record.find_previous(), how="rollback", reason="tested"))


def test_the_first_candidate_is_champion_and_later_ones_are_challengers() -> None:
    record = ChampionRecord().add_candidate("a").add_candidate("b").add_candidate("c").add_candidate("a")

    assert (record.champion, record.challenger) == ("a", "c")
    assert [change.how for change in record.history] == ["first"]
    assert [record.find_role(run) for run in ("a", "b", "c")] == ["champion", "other", "challenger"]


@given(st.lists(st.sampled_from(["promote", "rollback"]), max_size=12))
def test_rollbacks_undo_promotions_like_a_stack(changes: list[str]) -> None:
    record, stack = ChampionRecord().add_candidate("run0"), ["run0"]
    for number, change in enumerate(changes, start=1):
        if change == "promote":
            record = promote(record, f"run{number}")
            stack.append(f"run{number}")
        elif len(stack) > 1:
            left, record = record.champion, roll_back(record)
            stack.pop()
            assert record.challenger == left
        else:
            with pytest.raises(InputError, match="no earlier champion"):
                record.find_previous()
        assert record.champion == stack[-1]
    assert record == ChampionRecord.model_validate_json(record.model_dump_json())


def test_the_champion_cannot_be_promoted_again() -> None:
    with pytest.raises(InputError, match="a is already the champion"):
        promote(ChampionRecord().add_candidate("a"), "a")


def test_a_record_of_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "champion.json"
    path.write_text(json.dumps({"champion": "a", "owner": "b"}))

    with pytest.raises(InputError, match=r"champion.json was written by another version of this project: owner"):
        read_record(path)


def test_a_kill_at_any_moment_leaves_the_old_champion_or_the_new_one(tmp_path: Path) -> None:
    champions, codes = [], []
    for calls in range(10):
        path = tmp_path / str(calls) / "champion.json"
        update_record(path, ChampionRecord(), lambda record: record.add_candidate("a"))
        codes.append(run_in_process(promote_and_die, path, "b", calls))
        record = read_record(path)
        assert record is not None
        champions.append(record.champion)
        again = update_record(
            path, ChampionRecord(), lambda record: record if record.champion == "b" else promote(record, "b")
        )
        assert (again.champion, again.challenger) == ("b", "a")
        assert [file.name for file in path.parent.iterdir() if "partial" in file.name] == []

    assert codes[0] == -signal.SIGKILL
    assert codes[-1] == 0
    assert champions == sorted(champions)
    assert set(champions) == {"a", "b"}
