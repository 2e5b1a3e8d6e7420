"""The report of a search: figures, tables, pages and metrics."""

from collections.abc import Sequence

import optuna
import plotly.graph_objects as go
from optuna import visualization

from ..dotted import get_value
from ..network.params import NetworkParams
from ..reporting.format import format_difference, format_number
from ..reporting.html_pages import build_html_report
from ..reporting.table import Table, build_markdown_page
from ..reporting.theme import SHADES, apply_theme
from ..training.params import TrainingParams
from .confirmation import Confirmation
from .space import format_value, format_values
from .study import ignore_warnings
from .study_status import StudyStatus, format_best, format_counts

MIN_PROBABILITY = 0.95  # from which the winner is called better
Configured = tuple[NetworkParams, TrainingParams]

CAPTIONS = {
    "history": "The score of each complete trial by number, and the best score so far.",
    "importance": "How much each parameter decides whether a trial is among the best tenth of all trials (PED-ANOVA).",
    "parallel coordinates": "One line per complete trial through its parameter values; darker lines are better.",
    "slice": "The score of each complete trial over the values of each parameter.",
    "curves": "The score of every trial by epoch, including pruned trials.",
}


def plot_study(study: optuna.Study) -> tuple[go.Figure, ...]:
    """Plot a study: history, importances, parallel coordinates, slices and curves."""
    complete = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
    if len(complete) < 2:
        text = {"text": f"{len(complete)} complete: too few trials", "showarrow": False, "font": {"size": 16}}
        figures = (go.Figure().add_annotation(text),) * len(CAPTIONS)
    else:
        with ignore_warnings():
            figures = (
                visualization.plot_optimization_history(study, target_name="score"),
                visualization.plot_param_importances(study),
                visualization.plot_parallel_coordinate(study, target_name="score"),
                visualization.plot_slice(study, target_name="score"),
                visualization.plot_intermediate_values(study),
            )
    return tuple(
        apply_theme(go.Figure(figure), name.capitalize(), caption).update_layout(hovermode="closest", colorway=SHADES)
        for figure, (name, caption) in zip(figures, CAPTIONS.items(), strict=True)
    )


def build_pages(
    status: StudyStatus, confirmation: Confirmation, configured: Configured, figures: Sequence[go.Figure]
) -> tuple[str, str]:
    """Build the Markdown summary and the HTML report of a search."""
    title, tables = f"Search {status.study}", build_search_tables(status, confirmation, configured)
    return build_markdown_page(title, tables), build_html_report(title, tables, figures)


def build_search_tables(status: StudyStatus, confirmation: Confirmation, configured: Configured) -> list[Table]:
    """Build the tables of a search: result, winner, differences by horizon and trials."""
    differences = [tabulate_differences(confirmation)] if confirmation.differences else []
    return [
        tabulate_result(status, confirmation),
        tabulate_winner(status, confirmation, configured),
        *differences,
        tabulate_trials(status),
    ]


def tabulate_result(status: StudyStatus, confirmation: Confirmation) -> Table:
    """Tabulate the number of trials, the best trial, the retrained scores and the verdict."""
    rows = [("trials", f"{status.wanted} wanted: {format_counts(status)}")]
    if status.winner is not None:
        rows.append(("best", format_best(status)))
    if confirmation.winner:
        rows += [
            ("winner, retrained", format_scores(confirmation.winner)),
            ("current configuration, retrained", format_scores(confirmation.current)),
        ]
    return Table("Result", ("", "value"), [*rows, ("verdict", format_verdict(confirmation))])


def format_scores(scores: Sequence[float]) -> str:
    """Format the mean of the scores of several seeds, and each score."""
    return f"{format_number(sum(scores) / len(scores))} (each seed: {', '.join(map(format_number, scores))})"


def format_verdict(confirmation: Confirmation) -> str:
    """Format whether the winner is better than the current configuration."""
    if confirmation.gain is None:
        best = f"the score of the best of {confirmation.scored_trials} trials is too high"
        return f"not retrained (hpo.confirm_seeds is 0): {best}"
    gain = f"{confirmation.gain:+.4f} in {confirmation.metric} over {len(confirmation.winner)} new seeds"
    if confirmation.gain <= 0:
        return f"the winner is not better than the current configuration: {gain}"
    probability = confirmation.differences[confirmation.horizon].probability
    details = (
        f"{gain}; with probability {format_number(probability, 2)}, corrected for choosing the best of "
        f"{confirmation.scored_trials} trials"
    )
    if probability is None or probability < MIN_PROBABILITY:
        return f"it is not certain that the winner is better than the current configuration: {details}"
    return f"the winner is better than the current configuration: {details}"


def tabulate_winner(status: StudyStatus, confirmation: Confirmation, configured: Configured) -> Table:
    """Tabulate each searched parameter: current value, value of the winner and importance."""
    network, training = configured
    current = {
        "network": network.model_dump(),
        "training": training.model_dump() | {"learning_rate": training.highest_learning_rate},
    }
    rows = [
        (
            path,
            format_value(get_value(current, path)),
            format_value(value),
            format_number(status.importance.get(path), 2),
        )
        for path, value in confirmation.params.items()
    ]
    note = "kedro atft hpo promote writes these values into an environment. A dash: each phase sets its own value."
    return Table(f"Trial {confirmation.trial}", ("parameter", "current", "winner", "importance"), rows, note)


def tabulate_differences(confirmation: Confirmation) -> Table:
    """Tabulate the differences of winner and current configuration by horizon."""
    rows = [
        (
            f"{horizon}d",
            format_difference(difference.rank_ic),
            format_number(difference.probability, 2),
            str(difference.rank_ic.days),
        )
        for horizon, difference in confirmation.differences.items()
    ]
    header = ("horizon", "difference in rank IC", "probability", "days")
    note = (
        "Daily rank IC on the validation days: mean of the winner's networks minus mean of the current "
        "configuration's, ± Newey-West standard error. The probability is that of a difference above zero; it is "
        f"corrected for choosing the best of {confirmation.scored_trials} trials and includes the error over seeds."
    )
    return Table("Winner and current configuration", header, rows, note)


def tabulate_trials(status: StudyStatus) -> Table:
    """Tabulate all trials, the best first."""
    ranked = sorted(status.trials, key=lambda trial: (trial.state != "complete", -(trial.score or -1.0)))
    rows = [
        (
            *(
                str(trial.number),
                trial.state,
                format_number(trial.score),
                str(trial.epochs),
                format_number(trial.seconds, 0),
            ),
            format_values(trial.params),
            trial.reason or "",
        )
        for trial in ranked
    ]
    return Table("Trials", ("trial", "state", "score", "epochs", "s", "parameters", "reason"), rows)


def collect_metrics(status: StudyStatus, confirmation: Confirmation) -> dict[str, float]:
    """Collect the metrics of a search for a tracker."""
    metrics = {"search/scored_trials": float(status.scored)}
    if status.winner is not None and status.winner.score is not None:
        metrics["search/best"] = status.winner.score
    if confirmation.gain is not None:
        metrics["search/gain"] = confirmation.gain
    return metrics
