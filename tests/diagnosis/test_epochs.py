"""Epochs that stand still or still rise, phases that give nothing, seeds that differ: each is found by its scores."""

from pathlib import Path

import pytest

from factories.training_logs import RISING, Lines, diagnose_run, find, list_causes, tell


@pytest.mark.parametrize(
    ("about", "said", "rank_ics"),
    [
        ("plateau", "last rose in epoch 2 of 9", (0.05, 0.08, 0.078, 0.0801, 0.078, 0.0802, 0.078, 0.0803, 0.078)),
        ("length", "last 2 of 6 epochs gained 0.0200", (0.01, 0.02, 0.03, 0.04, 0.05, 0.06)),
    ],
)
def test_scores_that_stand_still_or_still_rise_are_watched(
    tmp_path: Path, about: str, said: str, rank_ics: tuple[float, ...]
) -> None:
    diagnosis = diagnose_run(tmp_path, tell(*rank_ics))

    assert find(diagnosis, about).state == "watch"
    assert said in find(diagnosis, about).measured
    assert list_causes(diagnosis) == {about}


def test_weights_that_still_jump_at_the_end_are_watched(tmp_path: Path) -> None:
    lines = [*tell(*RISING), {"seed": 7, "swa": {"rank_ic": 0.11}}]
    diagnosis = diagnose_run(tmp_path, lines)

    assert "0.1100, the best epoch 0.0890" in find(diagnosis, "last weights").measured
    assert list_causes(diagnosis) == {"last weights"}


def test_a_phase_that_took_long_and_gave_nothing_is_named(tmp_path: Path) -> None:
    names = ["one", "one", "two", "two"]
    lines = tell(0.05, 0.09, 0.08, 0.085, phase=lambda n: names[n - 1], epoch=lambda n: 1 + (n - 1) % 2)
    phases = [{"name": name, "epochs": 2, "learning_rate": 1e-3} for name in ("one", "two")]

    found = find(diagnose_run(tmp_path, lines, phases=phases), "phases")

    assert found.state == "watch"
    assert "one +0.0900 in 10.0 s, two +0.0000 in 10.0 s" in found.measured
    assert found.advice == ("training.phases: without two",)
    cheap = [line | {"seconds": 1.0} if line.get("phase") == "two" else line for line in lines]
    assert find(diagnose_run(tmp_path / "cheap", cheap, phases=phases), "phases").state == "ok"


@pytest.mark.parametrize(
    ("shares", "state"), [((1.0, 0.95, 0.9), "ok"), ((1.0, 0.7, 0.55), "watch"), ((1.0, 0.95, 0.2), "trouble")]
)
def test_seeds_should_agree(tmp_path: Path, shares: tuple[float, ...], state: str) -> None:
    lines: Lines = []
    for seed, share in zip((7, 8, 9), shares, strict=True):
        lines += [line | {"seed": seed} for line in tell(*(share * each for each in RISING))]

    found = find(diagnose_run(tmp_path, lines, seeds=3), "seeds")

    assert found.state == state
    assert f"7 0.0890, 8 {shares[1] * 0.089:.4f}, 9 {shares[2] * 0.089:.4f}" in found.measured
    assert (state == "trouble") == any(advice.startswith("seed 9 learned little") for advice in found.advice)


@pytest.mark.parametrize(
    ("metric", "scores", "state"),
    [
        ("loss", (0.9493, 0.9492), "ok"),  # a loss has no zero that a share of it could be measured from
        ("hit_rate", (0.54, 0.535), "ok"),
        ("hit_rate", (0.54, 0.50, 0.54), "trouble"),  # half of all directions are right without skill
    ],
)
def test_seeds_are_compared_from_the_score_without_skill(
    tmp_path: Path, metric: str, scores: tuple[float, ...], state: str
) -> None:
    lines: Lines = []
    for seed, score in enumerate(scores, start=7):
        for line in tell(*RISING):
            scored = {"validation": line["validation"] | {metric: score}} if "validation" in line else {}
            lines.append(line | {"seed": seed} | scored)

    diagnosis = diagnose_run(tmp_path, lines, seeds=len(scores), selection={"metric": metric})

    assert find(diagnosis, "seeds").state == state
    assert ("length" in {each.about for each in diagnosis.findings}) == (metric != "loss")
