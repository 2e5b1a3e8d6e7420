"""What a search may change, and what it may not."""

from typing import Any

import pytest
from pydantic import ValidationError

from atft_kedro.network.params import NetworkParams
from atft_kedro.params import InputError
from atft_kedro.search.plan import PRESETS, SearchParams, Size
from atft_kedro.search.space import Range, find_field, is_whole, put, require_possible
from atft_kedro.search.study import make_spec
from atft_kedro.services.database_url import hide_password
from atft_kedro.training.params import TrainingParams


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("network.hiden_size", "unknown; did you mean network.hidden_size?"),
        ("graph.window", "unknown; a search changes network and training"),
        ("network", "unknown; a search changes network and training"),
        ("training.loss", "a block; name one of its parameters, say training.loss.mse"),
        ("training.loss.sharp", "unknown; did you mean training.loss.sharpe?"),
        ("training.seed", "no hyper-parameter"),
        ("training.phases", "no hyper-parameter"),
        ("network.heads.more", "leads into what has no parts"),
    ],
)
def test_what_cannot_be_searched_is_told_by_its_name(path: str, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        SearchParams.model_validate({"ranges": {path: {"low": 1, "high": 2}}})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"low": 2, "high": 1}, "the range from 2 to 1 is empty"),
        ({"low": 1, "high": 1}, "the range from 1 to 1 is empty"),
        ({"low": 1}, "Field required"),
        ({"low": 0, "high": 1, "log": True}, "a log scale takes a low above 0"),
        ({"low": 1, "high": 9, "log": True, "step": 2}, "and no step"),
        ({"low": 1, "high": 9, "step": 0}, "a step of 0 leads nowhere from 1 to 9"),
        ({"low": 1, "high": 9, "step": 10}, "a step of 10 leads nowhere from 1 to 9"),
    ],
)
def test_a_range_that_holds_nothing_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Range.model_validate(given)


def test_a_parameter_has_a_range_or_choices() -> None:
    ranges, choices = {"network.layers": {"low": 1, "high": 3}}, {"network.layers": [1, 2]}

    with pytest.raises(ValidationError, match="network.layers has a range and choices; take one out with null"):
        SearchParams.model_validate({"ranges": ranges, "choices": choices})
    with pytest.raises(ValidationError, match="at least 1 item"):
        SearchParams.model_validate({"choices": {"network.layers": []}})
    replaced = SearchParams.model_validate({"ranges": {"network.layers": None}, "choices": choices})
    assert replaced.choose_space((1,)) == {"network.layers": (1, 2)}


def test_numbers_are_whole_where_their_parameters_are() -> None:
    whole = ("network.layers", "training.days_per_block")
    others = ("network.dropout", "training.learning_rate", "training.loss.ic")

    assert all(map(is_whole, whole))
    assert not any(map(is_whole, others))
    assert find_field("training.labels.transform").default == "gaussian_rank"


def test_values_come_to_their_places_and_change_nothing_else() -> None:
    before = NetworkParams(heads=2), TrainingParams(accumulate=3)

    network, training = put({"network.dropout": 0.3, "training.loss.ic": 1.0, "training.learning_rate": 1e-4}, *before)

    assert network == NetworkParams(heads=2, dropout=0.3)
    assert training.accumulate == 3
    assert training.loss is not None
    assert training.loss.active() == {"ic": 1.0}
    rates = [phase.learning_rate for phase in training.curriculum]
    assert max(rates) == 1e-4
    assert [rate / 1e-4 for rate in rates] == pytest.approx(
        [phase.learning_rate / 8e-3 for phase in TrainingParams().phases]
    )


def test_a_value_that_its_parameter_cannot_have_is_refused_before_any_trial() -> None:
    space = {"network.hidden_size": (64, 12)}

    with pytest.raises(InputError, match="hpo: network.hidden_size = 12 cannot be: .*multiple of 8"):
        require_possible(space)
    with pytest.raises(InputError, match="hpo: network.hidden_size = 12 cannot be"):
        require_possible({"network.hidden_size": Range(low=8, high=24, step=4)})
    with pytest.raises(InputError, match="hpo: network.layers = 1.5 cannot be"):
        require_possible({"network.layers": Range(low=1, high=3, step=1.5)})
    with pytest.raises(InputError, match="hpo: network.market_gate has a range, and is no number"):
        require_possible({"network.market_gate": Range(low=0, high=1)})
    require_possible({"network.fan_window": Range(low=2, high=40)})  # with a longer lookback, why not


def test_values_that_do_not_go_together_are_told() -> None:
    with pytest.raises(InputError, match="network.fan_window = 40 cannot be: lookback 20 is too short"):
        put({"network.fan_window": 40}, NetworkParams(), TrainingParams())


def test_tiers_choose_a_part_of_the_space_and_null_takes_a_parameter_out() -> None:
    ranges = {"network.dropout": {"low": 0.0, "high": 0.5}, "network.layers": {"low": 1, "high": 3}}
    asked = {
        "ranges": ranges,
        "choices": {"network.heads": None},
        "later": {"network.layers": 2, "network.heads": 2},
    }
    params = SearchParams.model_validate(asked)

    assert list(params.choose_space((1,))) == ["network.dropout"]
    assert list(params.choose_space((1, 2))) == ["network.dropout", "network.layers"]
    assert SearchParams.model_validate(asked | {"tiers": "2"}).tiers == (2,)
    with pytest.raises(InputError, match="for a parameter of tier 3: nothing to search"):
        params.choose_space((3,))


def test_what_is_not_asked_for_is_as_a_study_was_begun_or_as_the_preset_says() -> None:
    begun = Size(trials=24, epochs=3, tiers=(1, 3))
    asked = {"n_trials": 40, "epochs": 7}

    assert SearchParams().choose_size(None) == Size(trials=5, epochs=5, tiers=(1,))
    assert SearchParams().choose_size(begun) == begun
    assert SearchParams(preset="medium").choose_size(begun) == Size(trials=10, epochs=10, tiers=(1, 2))
    assert SearchParams.model_validate(asked).choose_size(begun) == Size(trials=40, epochs=7, tiers=(1, 3))
    assert SearchParams.model_validate(asked | {"preset": "full"}).choose_size(None) == Size(
        trials=40, epochs=7, tiers=(1, 2, 3)
    )


def test_a_password_is_in_nothing_that_is_written_down() -> None:
    params = SearchParams.model_validate({"storage": "postgresql://me:secret@host/db"})

    assert "secret" not in params.model_dump_json() + repr(params) + str(params.model_dump(mode="json"))
    assert params.storage == "postgresql://me:secret@host/db"
    for wrong in ("nonsense", "postgresql//me:secret@host/db", "postgresql://me:secret@host:port/db"):
        with pytest.raises(ValidationError, match="no database URL"):
            SearchParams.model_validate({"storage": wrong})
    assert "secret" not in hide_password("postgresql://host/db?user=me&password=secret")
    assert "ss" not in hide_password("postgresql://me:p@ss@host/db")
    assert "user=me" in hide_password("postgresql://host/db?user=me&password=secret")


def test_days_of_a_block_are_not_searched_where_samples_take_their_place() -> None:
    params = SearchParams(choices={"training.days_per_block": (4, 8)})
    configured = NetworkParams(), TrainingParams(samples_per_block=100)

    with pytest.raises(InputError, match=r"chooses training\.days_per_block, whose place training\.samples_per_block"):
        make_spec(params, PRESETS["quick"], configured, "panel", "material")
