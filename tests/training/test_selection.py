"""The score that chooses the best weights: names, horizon weights and comparison."""

from math import nan

import pytest
from pydantic import ValidationError

from atft_kedro.params import InputError
from atft_kedro.training.params import TrainingParams
from atft_kedro.training.selection import SelectionParams, is_better
from factories.params import make_params


@pytest.mark.parametrize(
    ("metric", "label", "score"),
    [
        ("rank_ic", "rank IC", 0.1),
        ("rank_ic_5d", "rank IC over 5 d", 0.2),
        ("net_sharpe", "net Sharpe ratio", 1.5),
        ("loss_20d", "negative loss over 20 d", -0.9),
    ],
)
def test_a_score_is_named_and_higher_is_better(metric: str, label: str, score: float) -> None:
    selection = make_params(SelectionParams, metric=metric)
    scores = {"rank_ic": 0.1, "rank_ic_5d": 0.2, "net_sharpe": 1.5, "loss_20d": 0.9}

    assert (selection.label, selection.score(scores)) == (label, score)


def test_horizons_are_weighed_for_the_whole_run() -> None:
    assert make_params(SelectionParams).weigh_horizons((1, 10)) == pytest.approx([1, 0.1])
    assert make_params(SelectionParams, horizon_weights={10: 2.0}).weigh_horizons((1, 10)) == [0, 2]
    with pytest.raises(InputError, match=r"training.selection: the network forecasts no \[5\], only \(1, 10\)"):
        make_params(SelectionParams, metric="rank_ic_5d").weigh_horizons((1, 10))
    with pytest.raises(InputError, match=r"the network forecasts no \[3\]"):
        make_params(SelectionParams, horizon_weights={3: 1.0}).weigh_horizons((1, 10))


@pytest.mark.parametrize("wrong", [{"metric": "sharpe"}, {"metric": "rank_ic_0d"}, {"horizon_weights": {1: 0.0}}])
def test_a_selection_that_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        make_params(SelectionParams, **wrong)


def test_a_loss_chooses_only_where_all_phases_have_the_same() -> None:
    with pytest.raises(ValidationError, match="give all phases one loss with training.loss"):
        make_params(TrainingParams, selection={"metric": "loss"})
    assert make_params(TrainingParams, selection={"metric": "loss"}, loss="mse:1").selection.is_loss


def test_any_score_beats_none_and_an_undefined_one_beats_no_defined_one() -> None:
    assert is_better(nan, None)
    assert is_better(nan, nan)
    assert is_better(-5.0, nan)
    assert not is_better(nan, -5.0)
    assert not is_better(0.1, 0.1)
