"""The search space: which parameters can be searched, and with which values."""

from typing import Any, get_args

import pytest
from pydantic import ValidationError

from atft_kedro.network.params import NetworkParams
from atft_kedro.params import InputError
from atft_kedro.search.space import Range, apply_values, check_space, find_field, is_integer
from atft_kedro.training.params import TrainingParams
from factories.params import make_params
from factories.searches import make_search_params


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("network.hiden_size", "unknown parameter; did you mean network.hidden_size?"),
        ("graph.window", "unknown parameter; a search changes network and training"),
        ("network", "unknown parameter; a search changes network and training"),
        ("training.loss", "is a block of parameters; name one of them, for example training.loss.mse"),
        ("training.loss.sharp", "unknown parameter; did you mean training.loss.sharpe?"),
        ("training.seed", "cannot be searched: it is the same for all trials"),
        ("training.phases", "cannot be searched: it is not a single value"),
        ("training.selection.metric", "cannot be searched: it defines the score of a trial"),
        ("training.resume", "cannot be searched: it does not change the forecasts"),
        ("network.heads.more", "unknown parameter: network.heads is a value, not a block"),
    ],
)
def test_a_parameter_that_cannot_be_searched_is_refused_with_its_name(path: str, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        make_search_params(ranges={path: {"low": 1, "high": 2}})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"low": 2, "high": 1}, "low must be less than high, not 2 and 1"),
        ({"low": 1, "high": 1}, "low must be less than high, not 1 and 1"),
        ({"low": 1}, "Field required"),
        ({"low": 0, "high": 1, "log": True}, "a log scale needs a low above 0"),
        ({"low": 1, "high": 9, "log": True, "step": 2}, "and cannot have a step"),
        ({"low": 1, "high": 9, "step": 0}, "from 1 to 9 cannot have a step of 0"),
        ({"low": 1, "high": 9, "step": 10}, "from 1 to 9 cannot have a step of 10"),
    ],
)
def test_an_invalid_range_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Range.model_validate(fields)


def test_the_type_of_a_parameter_decides_whether_it_is_an_integer() -> None:
    integers = ("network.layers", "training.days_per_block")
    floats = ("network.dropout", "training.learning_rate", "training.loss.ic")

    assert all(map(is_integer, integers))
    assert not any(map(is_integer, floats))
    assert "gaussian_rank" in get_args(find_field("training.labels.transform").annotation)


def test_values_are_applied_and_change_nothing_else() -> None:
    network, training = make_params(NetworkParams, heads=2), make_params(TrainingParams, accumulate=3)
    values = {"network.dropout": 0.3, "training.loss.ic": 1.0, "training.learning_rate": 1e-4}

    changed_network, changed_training = apply_values(values, network, training)

    assert changed_network == network.model_copy(update={"dropout": 0.3})
    assert changed_training.accumulate == 3
    assert changed_training.loss is not None
    assert changed_training.loss.positive_weights() == {"ic": 1.0}
    rates = [phase.learning_rate for phase in changed_training.curriculum]
    assert max(rates) == 1e-4
    fastest = max(phase.learning_rate for phase in training.phases)
    assert [rate / 1e-4 for rate in rates] == pytest.approx(
        [phase.learning_rate / fastest for phase in training.phases]
    )


def test_a_value_that_its_parameter_cannot_have_is_refused_before_any_trial() -> None:
    with pytest.raises(InputError, match="hpo: network.hidden_size = 12 is not valid: .*multiple of 8"):
        check_space({"network.hidden_size": (64, 12)})
    with pytest.raises(InputError, match="hpo: network.hidden_size = 12 is not valid"):
        check_space({"network.hidden_size": Range(low=8, high=24, step=4)})
    with pytest.raises(InputError, match="hpo.ranges: network.layers is an integer, but its range contains 1.5"):
        check_space({"network.layers": Range(low=1, high=3, step=1.5)})
    with pytest.raises(InputError, match="hpo.ranges: network.market_gate is not a number"):
        check_space({"network.market_gate": Range(low=0, high=1)})
    check_space({"network.fan_window": Range(low=2, high=40)})  # valid with a longer lookback


def test_values_that_do_not_fit_together_are_refused() -> None:
    network, training = make_params(NetworkParams), make_params(TrainingParams)

    with pytest.raises(InputError, match="network.fan_window = 40 is not valid: lookback 20 is too short"):
        apply_values({"network.fan_window": 40}, network, training)
