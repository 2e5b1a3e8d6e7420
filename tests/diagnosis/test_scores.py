"""Scores of both sides tell memory from learning, learning from nothing, and how wide forecasts should be."""

import json
import math
from pathlib import Path

import pytest

from atft_kedro.diagnosis.diagnosis import diagnose
from atft_kedro.training.runs import HEARTBEAT
from factories.training_logs import STEPS, diagnose_run, find, list_causes, tell, write_run


@pytest.mark.parametrize(("validation", "state"), [(0.11, "ok"), (0.085, "ok"), (0.04, "watch"), (0.008, "trouble")])
def test_what_is_lost_on_validation_days_is_judged_by_its_share(tmp_path: Path, validation: float, state: str) -> None:
    known = {"rank_ic": 0.1, "rank_ic_1d": 0.1, "se_rank_ic_1d": 0.005, "scale": 0.1}
    diagnosis = diagnose_run(tmp_path, tell(*(3 * [validation]), train=known))

    assert find(diagnosis, "overfitting").state == state
    assert find(diagnosis, "overfitting").numbers["lost"] == pytest.approx(1 - validation / 0.1)


def test_validation_that_falls_while_training_rises_is_memory(tmp_path: Path) -> None:
    def learned(epoch: int) -> dict[str, float]:
        known = 0.06 + 0.005 * epoch
        return {"rank_ic": known, "rank_ic_1d": known, "se_rank_ic_1d": 0.005, "scale": 0.1}

    lines = tell(0.05, 0.08, 0.07, 0.06, 0.05, train=learned)
    diagnosis, small = diagnose_run(tmp_path / "a", lines), diagnose_run(tmp_path / "b", lines, size=16)

    found = find(diagnosis, "overfitting")
    assert found.state == "trouble"
    assert "rank IC over 1 d is 0.085 ± 0.005 on the last train days and 0.050 ± 0.005 on the" in found.measured
    assert "fallen by 38% since epoch 2" in found.measured
    assert found.advice[0] == "--params training.epochs=2 (now 5)"
    assert "--params network.hidden_size=32 (now 64)" in found.advice
    assert not any("hidden_size" in advice for advice in find(small, "overfitting").advice)  # for fan_channels are 16
    assert list_causes(diagnosis) == {"overfitting"}


def test_a_fall_of_a_loss_is_named_as_not_checked(tmp_path: Path) -> None:
    lines = [
        line | {"validation": line["validation"] | {"loss": 1.0}} if "validation" in line else line
        for line in tell(0.05, 0.08, 0.05)
    ]

    found = find(diagnose_run(tmp_path, lines, selection={"metric": "loss"}), "overfitting")

    assert "a fall of the validation score is not checked where it is a loss" in found.measured
    assert "fallen" not in found.numbers


def test_a_gap_that_may_be_luck_is_none(tmp_path: Path) -> None:
    unsure = {"rank_ic": 0.1, "rank_ic_1d": 0.1, "se_rank_ic_1d": 0.04, "scale": 0.1}

    assert list_causes(diagnose_run(tmp_path, tell(0.06, 0.05, 0.055, train=unsure))) == set()


def test_validation_days_that_are_known_show_that_something_was_learned(tmp_path: Path) -> None:
    unsure = {"rank_ic": 0.01, "rank_ic_1d": 0.01, "se_rank_ic_1d": 0.02, "scale": 0.02}

    assert list_causes(diagnose_run(tmp_path, tell(0.03, 0.034, 0.035, train=unsure))) == set()


def test_a_network_that_does_not_know_its_own_days_learned_nothing(tmp_path: Path) -> None:
    nothing = {"rank_ic": 0.004, "rank_ic_1d": 0.004, "se_rank_ic_1d": 0.005, "scale": 0.01}
    lines = tell(0.001, 0.002, 0.001, train=nothing, validation=nothing)

    diagnosis, young = diagnose_run(tmp_path / "a", lines), write_run(tmp_path / "b", lines, state="training")
    beat = json.loads((young / HEARTBEAT).read_text())
    (young / HEARTBEAT).write_text(json.dumps(beat | {"total_steps": 100 * STEPS}))

    assert find(diagnosis, "underfitting").state == "trouble"
    assert "--params training.epochs=9 (now 3)" in find(diagnosis, "underfitting").advice
    assert list_causes(diagnosis) == {"underfitting"}
    assert find(diagnose(young), "underfitting").state == "ok"


@pytest.mark.parametrize(
    ("scale", "rank_ic", "state"),
    [(1e-4, 0.05, "trouble"), (0.004, 0.08, "watch"), (0.08, 0.08, "ok"), (0.5, 0.08, "watch"), (3.0, 0.08, "trouble")],
)
def test_the_scale_of_forecasts_is_about_their_rank_ic(
    tmp_path: Path, scale: float, rank_ic: float, state: str
) -> None:
    scores = {"rank_ic": rank_ic, "rank_ic_1d": rank_ic, "se_rank_ic_1d": 0.005, "scale": scale}
    lines = tell(rank_ic, rank_ic, rank_ic, validation=scores)

    assert find(diagnose_run(tmp_path / "a", lines), "scale").state == state
    only_ranks = diagnose_run(tmp_path / "b", lines, loss={"ic": 1.0})  # which say nothing of how wide forecasts are
    assert find(only_ranks, "scale").state == ("trouble" if scale < 1e-3 else "ok")


def test_forecasts_without_a_rank_ic_are_in_trouble(tmp_path: Path) -> None:
    none = {"rank_ic": math.nan, "rank_ic_1d": math.nan, "se_rank_ic_1d": math.nan, "scale": math.nan}
    diagnosis = diagnose_run(tmp_path, tell(math.nan, math.nan, math.nan, validation=none, train=none))

    assert find(diagnosis, "scale").state == "trouble"
    assert "rank IC is undefined" in find(diagnosis, "scale").measured
    assert json.loads(diagnosis.model_dump_json())["state"] == "trouble"


def test_too_few_days_to_tell_are_watched_only(tmp_path: Path) -> None:
    nothing = {"rank_ic": 0.004, "rank_ic_1d": 0.004, "se_rank_ic_1d": 0.02, "scale": 0.01}

    found = find(diagnose_run(tmp_path, tell(0.01, 0.01, validation=nothing, train=nothing)), "underfitting")
    assert found.state == "watch"
