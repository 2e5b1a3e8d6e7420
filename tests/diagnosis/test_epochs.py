"""Test the checks of epochs, phases and seeds."""

from pathlib import Path

import pytest

from factories.training_logs import RISING, Lines, diagnose_run, find_check, list_root_problems, make_log


@pytest.mark.parametrize(
    ("name", "message", "rank_ics"),
    [
        ("plateau", "last rose in epoch 2 of 9", (0.05, 0.08, 0.078, 0.0801, 0.078, 0.0802, 0.078, 0.0803, 0.078)),
        ("training length", "last 2 of 6 epochs gained 0.0200", (0.01, 0.02, 0.03, 0.04, 0.05, 0.06)),
    ],
)
def test_stagnating_and_rising_scores_are_warnings(
    tmp_path: Path, name: str, message: str, rank_ics: tuple[float, ...]
) -> None:
    diagnosis = diagnose_run(tmp_path, make_log(*rank_ics))

    assert find_check(diagnosis, name).severity == "warn"
    assert message in find_check(diagnosis, name).message
    assert list_root_problems(diagnosis) == {name}


def test_a_better_average_of_the_last_epochs_is_a_warning(tmp_path: Path) -> None:
    lines = [*make_log(*RISING), {"seed": 7, "swa": {"rank_ic": 0.11}}]
    diagnosis = diagnose_run(tmp_path, lines)

    assert "0.1100, the best epoch 0.0890" in find_check(diagnosis, "SWA").message
    assert list_root_problems(diagnosis) == {"SWA"}


def test_a_phase_without_a_gain_is_listed(tmp_path: Path) -> None:
    names = ["one", "one", "two", "two"]
    lines = make_log(0.05, 0.09, 0.08, 0.085, phase=lambda n: names[n - 1], epoch=lambda n: 1 + (n - 1) % 2)
    phases = [{"name": name, "epochs": 2, "learning_rate": 1e-3} for name in ("one", "two")]

    found = find_check(diagnose_run(tmp_path, lines, phases=phases), "phases")

    assert found.severity == "warn"
    assert "one +0.0900 in 10.0 s, two +0.0000 in 10.0 s" in found.message
    assert found.advice == ("training.phases: without two",)
    cheap = [line | {"seconds": 1.0} if line.get("phase") == "two" else line for line in lines]
    assert find_check(diagnose_run(tmp_path / "cheap", cheap, phases=phases), "phases").severity == "ok"


@pytest.mark.parametrize(
    ("shares", "severity"), [((1.0, 0.95, 0.9), "ok"), ((1.0, 0.7, 0.55), "warn"), ((1.0, 0.95, 0.2), "error")]
)
def test_seeds_should_agree(tmp_path: Path, shares: tuple[float, ...], severity: str) -> None:
    lines: Lines = []
    for seed, share in zip((7, 8, 9), shares, strict=True):
        lines += [line | {"seed": seed} for line in make_log(*(share * rank_ic for rank_ic in RISING))]

    found = find_check(diagnose_run(tmp_path, lines, seeds=3), "seeds")

    assert found.severity == severity
    assert f"7 0.0890, 8 {shares[1] * 0.089:.4f}, 9 {shares[2] * 0.089:.4f}" in found.message
    assert (severity == "error") == any(advice.startswith("seed 9 learned little") for advice in found.advice)


@pytest.mark.parametrize(
    ("metric", "scores", "severity"),
    [
        ("loss", (0.9493, 0.9492), "ok"),  # a loss has no zero, so no share of it can be measured
        ("hit_rate", (0.54, 0.535), "ok"),
        ("hit_rate", (0.54, 0.50, 0.54), "error"),  # a hit rate of 0.5 needs no skill
    ],
)
def test_seeds_are_compared_from_the_score_without_skill(
    tmp_path: Path, metric: str, scores: tuple[float, ...], severity: str
) -> None:
    lines: Lines = []
    for seed, score in enumerate(scores, start=7):
        for line in make_log(*RISING):
            scores_of_line = {"validation": line["validation"] | {metric: score}} if "validation" in line else {}
            lines.append(line | {"seed": seed} | scores_of_line)

    diagnosis = diagnose_run(tmp_path, lines, seeds=len(scores), selection={"metric": metric})

    assert find_check(diagnosis, "seeds").severity == severity
    assert ("training length" in {check.name for check in diagnosis.checks}) == (metric != "loss")
