"""Weights of losses in text and numbers, those of plug-ins too."""

from typing import Any

import pytest
import torch
from pydantic import ValidationError

from atft_kedro.loss_weights import LossWeights, combine_losses
from atft_kedro.losses import LOSSES
from atft_kedro.params import InputError
from atft_kedro.search.space import find_field
from atft_kedro.training.params import TrainingParams
from factories.loss_references import make_loss_inputs
from factories.params import make_params
from factories.plugins import plugin_package

CUBIC = {"cubic_error": "own_plugins.losses:cubic"}


@pytest.mark.parametrize(
    "text", ["mse:0.6,rankic:0.4", "mse:0.6 rankic:0.4", "mse: 0.6, rank_ic: 0.4", " mse :0.6 ,rank_ic:0.4 "]
)
def test_weights_are_written_as_text_with_commas_or_spaces(text: str) -> None:
    assert LossWeights.model_validate(text).positive_weights() == {"mse": 0.6, "rank_ic": 0.4}


def test_terms_and_horizons_are_weighed() -> None:
    q = make_loss_inputs()
    weights = LossWeights.model_validate("mse:0.6,rankic:0.2,cs_ic:0.1,sharpe:0.1")

    values = combine_losses(q, weights, torch.tensor([3.0, 1.0]))

    assert set(values) == {"loss", "mse", "rank_ic", "ic", "sharpe"}
    mse = LOSSES["mse"](q)
    assert values["mse"].item() == pytest.approx((0.75 * mse[0] + 0.25 * mse[1]).item(), rel=1e-5)
    expected = 0.6 * values["mse"] + 0.2 * values["rank_ic"] + 0.1 * values["ic"] + 0.1 * values["sharpe"]
    assert values["loss"].item() == pytest.approx(expected.item(), rel=1e-6)


@pytest.mark.parametrize(
    "wrong", [{}, {"mse": 0}, {"mse": -1}, {"unknown": 1}, "mse:0.5,unknown:1", "mse:0.5 unknown:1", "mse", ""]
)
def test_weights_that_mean_nothing_are_refused(wrong: Any) -> None:
    with pytest.raises(ValidationError):
        LossWeights.model_validate(wrong)


def test_a_loss_of_a_plugin_is_weighed_in_every_phase_in_text_and_numbers() -> None:
    text = make_params(TrainingParams, losses={"extra": CUBIC}, loss="mse:0.6,cubic_error:0.2")
    last = {text.phases[-1].name: {"ic": 1, "cubic_error": 0.5}}
    numbers = make_params(TrainingParams, losses={"extra": CUBIC}, phase_losses=last)

    assert {str(phase.loss.positive_weights()) for phase in text.curriculum} == {"{'mse': 0.6, 'cubic_error': 0.2}"}
    assert numbers.curriculum[-1].loss.positive_weights() == {"ic": 1, "cubic_error": 0.5}
    assert text.model_dump()["loss"]["cubic_error"] == 0.2
    assert TrainingParams.model_validate(text.model_dump(mode="json")) == text
    assert find_field("training.loss.cubic_error")
    with plugin_package(*CUBIC.values()):
        q = make_loss_inputs()
        values = combine_losses(q, text.curriculum[0].loss, torch.tensor([1.0, 0.0]), text.load_losses())
    error = (q.point - q.label).abs().pow(3).where(q.valid, 0).sum(-1) / q.valid.sum(-1).clamp(min=1)
    expected = error[:, 0][q.valid[:, 0].sum(-1) >= 3].mean()
    assert values["cubic_error"].item() == pytest.approx(expected.item())
    assert values["loss"].item() == pytest.approx((0.6 * values["mse"] + 0.2 * expected).item())


def test_an_entry_point_is_a_loss_without_a_parameter() -> None:
    with plugin_package(installed=True):
        training = make_params(TrainingParams, loss="mse:1,cubic:0.1")
        assert training.load_losses()["cubic"].__module__ == "own_plugins.losses"

    with pytest.raises(ValidationError, match="loss.cubic"):
        make_params(TrainingParams, loss="mse:1,cubic:0.1")


def test_a_name_of_a_loss_of_this_project_is_refused() -> None:
    with pytest.raises(ValidationError, match="mse is a loss of this project: choose another name"):
        make_params(TrainingParams, losses={"extra": {"mse": "own_plugins.losses:cubic"}})


def test_a_loss_that_no_configuration_names_is_not_loaded() -> None:
    training = make_params(TrainingParams, losses={"extra": CUBIC}, loss="cubic_error:1")

    with plugin_package(), pytest.raises(InputError, match=r"own_plugins.losses:cubic \(losses\) is needed"):
        training.load_losses()
