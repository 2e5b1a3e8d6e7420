"""Test how checks are run, and the checks of stages and catalog entries."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from kedro.framework.project import pipelines
from kedro.io import DataCatalog, DatasetError

from atft_kedro import advice
from atft_kedro.advice import SessionOptions
from atft_kedro.doctor.run_checks import _check_entries, _check_stages, format_error, run_check
from atft_kedro.params import InputError
from factories.stages import TimesParams, TinyProject


def test_an_error_of_the_input_is_a_result_and_an_error_of_the_code_is_raised() -> None:
    def fail(error: Exception) -> Any:
        raise error

    result = run_check("panel", fail, InputError("panel.json is truncated"))

    assert (result.name, result.severity, result.message) == ("panel", "error", "panel.json is truncated")
    with pytest.raises(AssertionError):
        run_check("panel", fail, AssertionError())


def test_long_messages_of_kedro_are_shortened_and_those_of_the_project_are_not() -> None:
    error = DatasetError("first\nsecond\nthird")

    assert format_error(error) == "first second"
    error.__cause__ = InputError("one\ntwo\nthree")
    assert format_error(error) == "one\ntwo\nthree"


def test_stale_stages_are_named_with_commands_for_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny = TinyProject(tmp_path)
    monkeypatch.setitem(pipelines, "__default__", tiny.pipeline)
    setup: Any = SimpleNamespace(user_entries=set())
    monkeypatch.setattr(advice, "_session", SessionOptions("safe", {"seed": 7}))

    unused = _check_stages(setup, tiny.catalog())
    tiny.run()
    fresh = _check_stages(setup, tiny.catalog())
    tiny.times = TimesParams(by=3)
    stale = _check_stages(setup, tiny.catalog())

    assert unused.message == "no stage has run yet"
    assert (fresh.severity, fresh.message) == ("ok", "3 of 3 are fresh")
    assert stale.message == ("1 of 3 are fresh; multiply: params:times changed; add_up: multiply has to run")
    assert stale.advice == (
        "kedro run --env safe --params seed=7; all reasons: kedro atft stages --env safe --params seed=7",
    )


def test_every_faulty_catalog_entry_is_named() -> None:
    catalog = DataCatalog.from_config({"good": {"type": "MemoryDataset"}, "bad": {"type": "no.Such"}})

    result = _check_entries(catalog, ["good", "bad"])

    assert result.severity == "error"
    assert result.message.startswith("bad: ")
    assert "good" not in result.message
