"""What a search found, to read and to look at."""

from collections.abc import Sequence

import optuna
import plotly.graph_objects as go
from optuna import visualization

from ..dotted import get_value
from ..network.params import NetworkParams
from ..reporting.format import format_difference, format_number
from ..reporting.report_page import build_html_report
from ..reporting.summary import build_markdown_page
from ..reporting.table import Table
from ..reporting.theme import SHADES, apply_theme
from ..training.params import TrainingParams
from .confirmation import Confirmation
from .space import say_chosen, say_value
from .study import quiet
from .study_status import Standing, say_best, say_counts

SURE = 0.95  # probability from which a winner is said to be better
Configured = tuple[NetworkParams, TrainingParams]

CAPTIONS = {
    "history": "The score of each finished trial, in the order of their numbers, and the best so far.",
    "importance": "How much of what makes a trial one of the best tenth goes back to each parameter (PED-ANOVA).",
    "parallel coordinates": "Each finished trial is a line through its values; the darker, the better.",
    "slice": "The score of each finished trial over each parameter's values.",
    "curves": "The score of every trial, epoch by epoch, pruned ones too.",
}


def draw_study(study: optuna.Study) -> tuple[go.Figure, ...]:
    """Draw a study's history, what mattered, its trials as lines, each parameter, and the trials' curves."""
    finished = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
    if len(finished) < 2:
        return tuple(_dress(_draw_nothing(len(finished)), name) for name in CAPTIONS)
    with quiet():
        drawn = _draw(study)
    return tuple(_dress(figure, name) for figure, name in zip(drawn, CAPTIONS, strict=True))


def _draw(study: optuna.Study) -> tuple[go.Figure, ...]:
    return (
        visualization.plot_optimization_history(study, target_name="score"),
        visualization.plot_param_importances(study),
        visualization.plot_parallel_coordinate(study, target_name="score"),
        visualization.plot_slice(study, target_name="score"),
        visualization.plot_intermediate_values(study),
    )


def _dress(figure: go.Figure, name: str) -> go.Figure:
    dressed = apply_theme(go.Figure(figure), name.capitalize(), CAPTIONS[name])
    return dressed.update_layout(hovermode="closest", colorway=SHADES)


def _draw_nothing(finished: int) -> go.Figure:
    said = {"text": f"{finished} finished: too few trials", "showarrow": False, "font": {"size": 16}}
    return go.Figure().add_annotation(said)


def write_search(
    standing: Standing, confirmation: Confirmation, configured: Configured, figures: Sequence[go.Figure]
) -> tuple[str, str]:
    """Write the summary and the report of a search."""
    title, grids = f"Search {standing.study}", tabulate_search(standing, confirmation, configured)
    return build_markdown_page(title, grids), build_html_report(title, grids, figures)


def tabulate_search(standing: Standing, confirmation: Confirmation, configured: Configured) -> list[Table]:
    """Tell what was found, how sure that is, and of all trials."""
    grids = [tabulate_finding(standing, confirmation), tabulate_winner(standing, confirmation, configured)]
    if confirmation.leads:
        grids.append(tabulate_leads(confirmation))
    return [*grids, tabulate_trials(standing)]


def tabulate_finding(standing: Standing, confirmation: Confirmation) -> Table:
    """Tell what the search found, and whether it is to be believed."""
    rows = [("trials", f"{standing.wanted} wanted: {say_counts(standing)}")]
    if standing.winner is not None:
        rows.append(("best", say_best(standing)))
    if confirmation.after:
        rows += [
            ("winner, retrained", say_seeds(confirmation.after)),
            ("as it is, retrained", say_seeds(confirmation.before)),
        ]
    return Table("What was found", ("what", ""), [*rows, ("verdict", say_verdict(confirmation))])


def say_seeds(scores: Sequence[float]) -> str:
    """Write the mean of some seeds' scores, and each."""
    return f"{format_number(sum(scores) / len(scores))} (each seed: {', '.join(map(format_number, scores))})"


def say_verdict(confirmation: Confirmation) -> str:
    """Write whether the winner is better than the configuration as it is."""
    if confirmation.gain is None:
        return f"not retrained (hpo.confirm_seeds is 0): the score of the best of {confirmation.tried} is too high"
    seeds = f"{len(confirmation.after)} seeds that it was not chosen by"
    gained = f"{confirmation.gain:+.4f} in {confirmation.metric} by {seeds}"
    if confirmation.gain <= 0:
        return f"the search does not beat the configuration as it is: {gained}"
    chance = confirmation.leads[confirmation.horizon].chance
    sure = f"{gained}; no luck of the best of {confirmation.tried} with probability {format_number(chance, 2)}"
    if chance is None or chance < SURE:
        return f"the winner may be better than the configuration as it is, and may be not: {sure}"
    return f"the winner beats the configuration as it is: {sure}"


def tabulate_winner(standing: Standing, confirmation: Confirmation, configured: Configured) -> Table:
    """Tell what the winner would change."""
    network, training = configured
    now = {"network": network.model_dump(), "training": training.model_dump() | {"learning_rate": training.fastest}}
    rows = [
        (path, say_value(get_value(now, path)), say_value(value), format_number(standing.importance.get(path), 2))
        for path, value in confirmation.chosen.items()
    ]
    note = "kedro atft hpo promote writes these into an environment. A dash: each phase says it."
    return Table(f"Trial {confirmation.trial}", ("parameter", "as it is", "winner", "importance"), rows, note)


def tabulate_leads(confirmation: Confirmation) -> Table:
    """Tell by how much the winner is ahead, day by day."""
    rows = [
        (f"{horizon}d", format_difference(lead.rank_ic), format_number(lead.chance, 2), str(lead.rank_ic.days))
        for horizon, lead in confirmation.leads.items()
    ]
    head = ("horizon", "rank IC ahead", "likely no luck", "days")
    note = (
        "Daily rank IC on the validation days: the mean of the winner's networks less that of the configuration's as "
        f"it is. Likely no luck: with what luck gives the best of {confirmation.tried} trials taken off, and the "
        "spread of the seeds in its error."
    )
    return Table("The winner beside the configuration as it is", head, rows, note)


def tabulate_trials(standing: Standing) -> Table:
    """Tell of every trial, the best first."""
    ranked = sorted(standing.trials, key=lambda trial: (trial.state != "complete", -(trial.score or -1.0)))
    rows = [
        (
            *(
                str(trial.number),
                trial.state,
                format_number(trial.score),
                str(trial.epochs),
                format_number(trial.seconds, 0),
            ),
            say_chosen(trial.chosen),
            trial.reason or "",
        )
        for trial in ranked
    ]
    return Table("Trials", ("trial", "state", "score", "epochs", "s", "chosen", "why"), rows)


def number_search(standing: Standing, confirmation: Confirmation) -> dict[str, float]:
    """Name the result's numbers, for a tracker."""
    numbers = {"search/tried": float(standing.tried)}
    if standing.winner is not None and standing.winner.score is not None:
        numbers["search/best"] = standing.winner.score
    if confirmation.gain is not None:
        numbers["search/gain"] = confirmation.gain
    return numbers
