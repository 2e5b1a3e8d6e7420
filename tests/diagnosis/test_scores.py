"""Test the checks of overfitting, underfitting and the scale of forecasts."""

import json
import math
from pathlib import Path

import pytest

from atft_kedro.diagnosis.diagnosis import diagnose
from atft_kedro.training.runs import HEARTBEAT
from factories.training_logs import (
    STEPS,
    diagnose_run,
    find_check,
    list_root_problems,
    make_log,
    write_run,
    write_score,
)


@pytest.mark.parametrize(("validation", "severity"), [(0.11, "ok"), (0.085, "ok"), (0.04, "warn"), (0.008, "error")])
def test_the_lost_share_of_rank_ic_decides_the_severity(tmp_path: Path, validation: float, severity: str) -> None:
    known = {"rank_ic": 0.1, "rank_ic_1d": 0.1, "se_rank_ic_1d": 0.005, "scale": 0.1}
    diagnosis = diagnose_run(tmp_path, make_log(*(3 * [validation]), train=known))

    assert find_check(diagnosis, "overfitting").severity == severity
    assert find_check(diagnosis, "overfitting").numbers["lost"] == pytest.approx(1 - validation / 0.1)


def test_falling_validation_with_rising_train_scores_is_overfitting(tmp_path: Path) -> None:
    def train_scores(epoch: int) -> dict[str, float]:
        rank_ic = 0.06 + 0.005 * epoch
        return {"rank_ic": rank_ic, "rank_ic_1d": rank_ic, "se_rank_ic_1d": 0.005, "scale": 0.1}

    lines = make_log(0.05, 0.08, 0.07, 0.06, 0.05, train=train_scores)
    diagnosis, small = diagnose_run(tmp_path / "a", lines), diagnose_run(tmp_path / "b", lines, size=16)

    found = find_check(diagnosis, "overfitting")
    assert found.severity == "error"
    assert "rank IC over 1 d is 0.085 ± 0.005 on the last train days and 0.050 ± 0.005 on the" in found.message
    assert "since epoch 2 the validation score has lost 38% of its gain over forecasts without" in found.message
    assert found.advice[0] == "--params training.epochs=2 (now 5)"
    assert "--params network.hidden_size=32 (now 64)" in found.advice
    assert not any("hidden_size" in advice for advice in find_check(small, "overfitting").advice)  # fan_channels is 16
    assert list_root_problems(diagnosis) == {"overfitting"}


def test_the_horizon_of_the_scores_is_named_if_no_epoch_is_logged(tmp_path: Path) -> None:
    folder = write_run(tmp_path, [])
    write_score(folder, {"validation": 0.1, "test": 0.02})

    assert find_check(diagnose(folder), "test score").message.startswith("rank IC over 1 d is 0.100 ± 0.010 on the val")


def test_the_fall_of_a_loss_is_not_checked(tmp_path: Path) -> None:
    lines = [
        line | {"validation": line["validation"] | {"loss": 1.0}} if "validation" in line else line
        for line in make_log(0.05, 0.08, 0.05)
    ]

    found = find_check(diagnose_run(tmp_path, lines, selection={"metric": "loss"}), "overfitting")

    assert "a fall of the validation score is not checked because it is a loss" in found.message
    assert "fallen" not in found.numbers


def test_a_gap_within_its_errors_is_no_problem(tmp_path: Path) -> None:
    unsure = {"rank_ic": 0.1, "rank_ic_1d": 0.1, "se_rank_ic_1d": 0.04, "scale": 0.1}

    assert list_root_problems(diagnose_run(tmp_path, make_log(0.06, 0.05, 0.055, train=unsure))) == set()


def test_skill_on_validation_days_is_no_underfitting(tmp_path: Path) -> None:
    unsure = {"rank_ic": 0.01, "rank_ic_1d": 0.01, "se_rank_ic_1d": 0.02, "scale": 0.02}

    assert list_root_problems(diagnose_run(tmp_path, make_log(0.03, 0.034, 0.035, train=unsure))) == set()


def test_no_skill_on_train_days_is_underfitting(tmp_path: Path) -> None:
    nothing = {"rank_ic": 0.004, "rank_ic_1d": 0.004, "se_rank_ic_1d": 0.005, "scale": 0.01}
    lines = make_log(0.001, 0.002, 0.001, train=nothing, validation=nothing)

    diagnosis, early = diagnose_run(tmp_path / "a", lines), write_run(tmp_path / "b", lines, state="training")
    heartbeat = json.loads((early / HEARTBEAT).read_text())
    (early / HEARTBEAT).write_text(json.dumps(heartbeat | {"total_steps": 100 * STEPS}))

    assert find_check(diagnosis, "underfitting").severity == "error"
    assert "--params training.epochs=9 (now 3)" in find_check(diagnosis, "underfitting").advice
    assert list_root_problems(diagnosis) == {"underfitting"}
    assert find_check(diagnose(early), "underfitting").severity == "ok"


@pytest.mark.parametrize(
    ("scale", "rank_ic", "severity"),
    [(1e-4, 0.05, "error"), (0.004, 0.08, "warn"), (0.08, 0.08, "ok"), (0.5, 0.08, "warn"), (3.0, 0.08, "error")],
)
def test_the_scale_of_forecasts_is_about_their_rank_ic(
    tmp_path: Path, scale: float, rank_ic: float, severity: str
) -> None:
    scores = {"rank_ic": rank_ic, "rank_ic_1d": rank_ic, "se_rank_ic_1d": 0.005, "scale": scale}
    lines = make_log(rank_ic, rank_ic, rank_ic, validation=scores)

    assert find_check(diagnose_run(tmp_path / "a", lines), "scale").severity == severity
    only_ranks = diagnose_run(tmp_path / "b", lines, loss={"ic": 1.0})  # these losses do not determine the scale
    assert find_check(only_ranks, "scale").severity == ("error" if scale < 1e-3 else "ok")


def test_an_undefined_rank_ic_is_an_error(tmp_path: Path) -> None:
    none = {"rank_ic": math.nan, "rank_ic_1d": math.nan, "se_rank_ic_1d": math.nan, "scale": math.nan}
    diagnosis = diagnose_run(tmp_path, make_log(math.nan, math.nan, math.nan, validation=none, train=none))

    assert find_check(diagnosis, "scale").severity == "error"
    assert "rank IC is undefined" in find_check(diagnosis, "scale").message
    assert json.loads(diagnosis.model_dump_json())["severity"] == "error"


def test_with_large_errors_underfitting_is_a_warning(tmp_path: Path) -> None:
    nothing = {"rank_ic": 0.004, "rank_ic_1d": 0.004, "se_rank_ic_1d": 0.02, "scale": 0.01}

    found = find_check(diagnose_run(tmp_path, make_log(0.01, 0.01, validation=nothing, train=nothing)), "underfitting")
    assert found.severity == "warn"
