"""The parameters of a search: sizes, tiers, ranges and choices."""

import pytest
from pydantic import ValidationError

from atft_kedro.params import InputError
from atft_kedro.search.plan import SearchParams, SearchSize
from atft_kedro.services.database_url import hide_password
from factories.params import make_params
from factories.searches import make_search_params


def test_a_parameter_has_a_range_or_choices() -> None:
    ranges, choices = {"network.layers": {"low": 1, "high": 3}}, {"network.layers": [1, 2]}

    with pytest.raises(ValidationError, match="network.layers has a range and choices; set one of them to null"):
        make_search_params(ranges=ranges, choices=choices)
    with pytest.raises(ValidationError, match="at least 1 item"):
        make_search_params(ranges={}, choices={"network.layers": []})
    replaced = make_search_params(ranges={"network.layers": None}, choices=choices)
    assert replaced.select_space((1,)) == {"network.layers": (1, 2)}


def test_tiers_select_parameters_and_null_removes_one() -> None:
    ranges = {"network.dropout": {"low": 0.0, "high": 0.5}, "network.layers": {"low": 1, "high": 3}}
    space = {
        "ranges": ranges,
        "choices": {"network.heads": None},
        "parameter_tiers": {"network.layers": 2, "network.heads": 2},
    }
    params = make_search_params(**space)

    assert list(params.select_space((1,))) == ["network.dropout"]
    assert list(params.select_space((1, 2))) == ["network.dropout", "network.layers"]
    assert make_search_params(**space, tiers="2").tiers == (2,)
    with pytest.raises(InputError, match="for a parameter of tier 3: nothing to search"):
        params.select_space((3,))


def test_the_size_comes_from_the_parameters_then_the_preset_then_the_existing_study() -> None:
    existing = SearchSize(trials=24, epochs=3, tiers=(1, 3))
    base, larger = make_params(SearchParams), make_params(SearchParams, n_trials=40, epochs=7)

    assert base.choose_size(None) == SearchSize(trials=5, epochs=5, tiers=(1,))
    assert base.choose_size(existing) == existing
    medium = make_params(SearchParams, preset="medium")
    assert medium.choose_size(existing) == SearchSize(trials=10, epochs=10, tiers=(1, 2))
    assert larger.choose_size(existing) == SearchSize(trials=40, epochs=7, tiers=(1, 3))
    full = make_params(SearchParams, n_trials=40, epochs=7, preset="full")
    assert full.choose_size(None) == SearchSize(trials=40, epochs=7, tiers=(1, 2, 3))


def test_a_password_is_not_in_anything_written() -> None:
    params = make_search_params(storage="postgresql://me:secret@host/db")

    assert "secret" not in params.model_dump_json() + repr(params) + str(params.model_dump(mode="json"))
    assert params.storage == "postgresql://me:secret@host/db"
    for wrong in ("nonsense", "postgresql//me:secret@host/db", "postgresql://me:secret@host:port/db"):
        with pytest.raises(ValidationError, match="is not a database URL"):
            make_search_params(storage=wrong)
    assert "secret" not in hide_password("postgresql://host/db?user=me&password=secret")
    assert "ss" not in hide_password("postgresql://me:p@ss@host/db")
    assert "user=me" in hide_password("postgresql://host/db?user=me&password=secret")
