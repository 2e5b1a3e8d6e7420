"""The ladder: runs of growing length, and the rules that a run must meet before a longer one."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from ..advice import advise_command
from ..checks import CheckResult
from ..diagnosis.diagnosis import diagnose
from ..evaluation.compare_runs import compare_runs, read_split_forecasts
from ..evaluation.daily_statistics import Mean
from ..evaluation.goals import GoalParams, check_goals
from ..evaluation.run_scores import SCORE, read_all_returns, read_score, use_run_units
from ..evaluation.score import RunScore, ScoringParams
from ..metrics import METRIC_NAMES
from ..params import InputError, Params
from ..training.run_status import count_epochs, read_max_gradient, read_training
from ..training.runs import Runs, read_manifest

VALIDATION = "validation"  # the split that decides; test days never choose a run
RuleName = Literal["spread", "diagnosis", "lead", "goals"]
ALL_RULES: tuple[RuleName, ...] = ("spread", "diagnosis", "lead", "goals")
COMPARED = {"rank_ic": METRIC_NAMES["rank_ic"], "long_short_net": "net return per day"}


class Rung(Params):
    """One length of a training, and the rules for the next longer one."""

    name: str
    epochs: Annotated[int, Field(gt=0)] | None  # null: a few steps of each phase
    mode: str | None = None  # environment that is added
    rules: tuple[RuleName, ...] = ALL_RULES


class LadderParams(Params):
    """Rungs, the shortest first, and the limits of their rules on validation scores.

    ``spread``: the standard deviation of the forecasts, divided by that of the labels, is at least ``min_scale``.
    ``diagnosis``: `kedro atft diagnose` finds no error. ``lead``: the run is ahead of a reference run by a mean daily
    difference in rank IC or in net return of more than ``min_t`` standard errors. ``goals``: the named goals are met.
    """

    rungs: Annotated[tuple[Rung, ...], Field(min_length=1)]
    min_scale: Annotated[float, Field(ge=0)]
    min_t: float
    goals: tuple[str, ...]

    def find_rung(self, epochs: int) -> int:
        """Return the index of the longest rung that a run of so many epochs has reached."""
        return max((index for index, rung in enumerate(self.rungs) if (rung.epochs or 0) <= epochs), default=0)


def find_reference(runs: Runs, folder: Path, params: LadderParams) -> Path | None:
    """Find the run of the same rung and panel with the best validation rank IC."""
    rung, panel = params.find_rung(count_epochs(folder)), read_manifest(folder)["panel"]
    scores: dict[Path, float] = {}
    for other in (runs.folder / name for name in runs.names() if name != folder.name):
        with suppress(InputError):  # a run of another version
            is_same = (other / SCORE).exists() and read_training(other).refit_of is None
            is_same = is_same and read_manifest(other)["panel"] == panel
            if is_same and params.find_rung(count_epochs(other)) == rung:
                scores[other] = _validation_rank_ic(read_score(other)).mean or 0.0
    return max(scores, key=lambda other: scores[other], default=None)


def check_rules(
    folder: Path, reference: Path | None, params: LadderParams, scoring: ScoringParams, goals: GoalParams
) -> Iterator[CheckResult]:
    """Check the rules of a run's rung."""
    score, rules = read_score(folder), params.rungs[params.find_rung(count_epochs(folder))].rules
    if "spread" in rules:
        yield _check_spread(score, params)
    if "diagnosis" in rules:
        diagnosis = diagnose(folder)
        advice = advise_command(f"atft diagnose {folder.name}")
        is_error = diagnosis.severity == "error"
        yield _decide("diagnosis", not is_error, diagnosis.headline, advice)
    if "lead" in rules:
        yield _check_lead(score, folder, reference, params, scoring)
    if "goals" in rules and params.goals:
        scores = {**score.split, "test": score.split[VALIDATION]}  # `check_goals` reads the split "test"
        results = check_goals(scores, read_max_gradient(folder), goals)
        for name in params.goals:
            result = results.get(name)
            text = (
                f"{result.value} is {result.verdict}, wanted {result.wanted:g}" if result else "there is no such goal"
            )
            yield _decide(f"goal {name}", result is not None and result.is_met, text, "see `goals:` in conf/")


def _decide(name: str, is_met: bool, message: str, advice: str) -> CheckResult:
    return CheckResult.ok(name, message) if is_met else CheckResult.error(name, message, advice)


def _check_spread(score: RunScore, params: LadderParams) -> CheckResult:
    horizons = score.split[VALIDATION]
    scale = horizons[min(horizons)].scale.mean
    text = (
        "the forecasts' spread is unknown" if scale is None else f"forecasts vary {scale:.3f} times as much as labels"
    )
    is_met = scale is not None and scale >= params.min_scale
    return _decide(
        "spread", is_met, f"{text}; at least {params.min_scale:g}", advise_command(f"atft diagnose {score.run}")
    )


def _check_lead(
    score: RunScore, folder: Path, reference: Path | None, params: LadderParams, scoring: ScoringParams
) -> CheckResult:
    """Compare a run with its reference run, or its rank IC with zero if there is no reference."""
    if reference is None:
        leads, against = (
            {"rank_ic": _validation_rank_ic(score)},
            "zero, because no run of this rung and panel is scored",
        )
        advice = "train other seeds or other parameters of the same length"
    else:
        leads, against = _compute_leads((reference, folder), scoring), f"run {reference.name}"
        advice = advise_command(f"atft compare {reference.name} {folder.name} --split {VALIDATION}")
    t = {name: lead.mean / lead.se for name, lead in leads.items() if lead.mean is not None and lead.se}
    text = ", ".join(f"{COMPARED[name]} t = {value:.2f}" for name, value in t.items()) or "unknown"
    is_met = max(t.values(), default=float("-inf")) > params.min_t
    return _decide("lead", is_met, f"{text} against {against}; one of them above {params.min_t:g}", advice)


def _compute_leads(folders: Sequence[Path], scoring: ScoringParams) -> dict[str, Mean]:
    """Compute the daily lead of the second run, over the shortest horizon and at the latest entry."""
    forecasts = {folder.name: read_split_forecasts(folder, VALIDATION) for folder in folders}
    rows = compare_runs(forecasts, read_all_returns(folders), use_run_units(scoring, folders[0]))
    row = max((row for row in rows if row.run == folders[1].name), key=lambda row: (-row.horizon, row.entry_lag))
    return {name: row.differences[name] for name in COMPARED if name in row.differences}


def _validation_rank_ic(score: RunScore) -> Mean:
    """Return the rank IC over the shortest horizon at the latest entry."""
    horizons = score.entries[max(score.entries)].split[VALIDATION]
    return horizons[min(horizons)].rank_ic
