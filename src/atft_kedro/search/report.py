"""The report of a search: figures, tables, pages and metrics."""

from collections.abc import Sequence
from math import inf

import optuna
import plotly.graph_objects as go

from ..dotted_paths import get_value
from ..metrics import METRIC_NAMES
from ..network.params import NetworkParams
from ..reporting.format import format_difference, format_number
from ..reporting.html_pages import build_html_report
from ..reporting.table import Table, build_markdown_page
from ..reporting.theme import SHADES, apply_theme
from ..training.params import TrainingParams
from .confirmation import Confirmation
from .space import format_value, format_values
from .study import ignore_warnings
from .study_status import StudyStatus, TrialSummary, format_best, format_counts

MIN_PROBABILITY = 0.95  # the smallest probability at which the verdict is "better"
CurrentParams = tuple[NetworkParams, TrainingParams]

CAPTIONS = {
    "history": "The score of each complete trial by number, and the best score so far.",
    "importance": "The importance of each parameter for being in the best 10 % of all trials (PED-ANOVA).",
    "parallel coordinates": "One line per complete trial through its parameter values; darker is a higher score.",
    "slice": "The score of each complete trial over the values of each parameter.",
    "curves": "The score by epoch of complete, pruned and running trials.",
}


def plot_study(study: optuna.Study) -> tuple[go.Figure, ...]:
    """Plot a study: history, importances, parallel coordinates, slices and curves."""
    complete = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
    if len(complete) < 2:
        text = {
            "text": f"too few complete trials ({len(complete)}; at least 2 are needed)",
            "showarrow": False,
            "font": {"size": 16},
        }
        figures = (go.Figure().add_annotation(text),) * len(CAPTIONS)
    else:
        with ignore_warnings():
            evaluator = optuna.importance.PedAnovaImportanceEvaluator()
            curves = optuna.visualization.plot_intermediate_values(study)
            figures = (
                optuna.visualization.plot_optimization_history(study, target_name="score"),
                optuna.visualization.plot_param_importances(study, evaluator=evaluator),
                optuna.visualization.plot_parallel_coordinate(study, target_name="score"),
                optuna.visualization.plot_slice(study, target_name="score"),
                curves.update_layout(xaxis_title="epoch", yaxis_title="score"),
            )
    return tuple(
        apply_theme(go.Figure(figure), name.capitalize(), caption).update_layout(hovermode="closest", colorway=SHADES)
        for figure, (name, caption) in zip(figures, CAPTIONS.items(), strict=True)
    )


def build_pages(
    status: StudyStatus, confirmation: Confirmation, current_params: CurrentParams, figures: Sequence[go.Figure]
) -> tuple[str, str]:
    """Build the Markdown summary and the HTML report of a search."""
    title, tables = f"Search {status.study}", build_search_tables(status, confirmation, current_params)
    return build_markdown_page(title, tables), build_html_report(title, tables, figures)


def build_search_tables(status: StudyStatus, confirmation: Confirmation, current_params: CurrentParams) -> list[Table]:
    """Build the tables of a search: result, winner, differences by horizon and trials."""
    differences = [tabulate_differences(confirmation)] if confirmation.differences else []
    return [
        tabulate_result(status, confirmation),
        tabulate_winner(status, confirmation, current_params),
        *differences,
        tabulate_trials(status),
    ]


def tabulate_result(status: StudyStatus, confirmation: Confirmation) -> Table:
    """Tabulate the number of trials, the best one, its retrained scores, and the verdict."""
    rows = [("trials", f"{status.wanted_trials} wanted: {format_counts(status)}")]
    if status.best_trial is not None:
        rows.append(("best", format_best(status)))
    if confirmation.winner_scores:
        rows += [
            ("winner, retrained", format_scores(confirmation.winner_scores)),
            ("current configuration, retrained", format_scores(confirmation.current_scores)),
        ]
    return Table("Result", ("item", "value"), [*rows, ("verdict", format_verdict(confirmation))])


def format_scores(scores: Sequence[float]) -> str:
    """Format the mean of the scores of several seeds, and each score."""
    return f"{format_number(sum(scores) / len(scores))} (each seed: {', '.join(map(format_number, scores))})"


def format_verdict(confirmation: Confirmation) -> str:
    """Format a sentence that says whether the winner is better than the current configuration."""
    if confirmation.gain is None or confirmation.horizon is None:
        return (
            f"not retrained (hpo.confirm_seeds is 0): the best score of {confirmation.scored_trials} trials is biased "
            "upwards, so it does not show that the winner is better than the current configuration"
        )
    gain = f"{confirmation.gain:+.4f} in {confirmation.metric} over {len(confirmation.winner_scores)} new seeds"
    if confirmation.gain <= 0:
        return f"the winner is not better than the current configuration: {gain}"
    probability = confirmation.differences[confirmation.horizon].probability
    details = (
        f"{gain}; probability that it is better: {format_number(probability, 2)}, corrected for choosing the best of "
        f"{confirmation.scored_trials} trials"
    )
    if probability is None or probability < MIN_PROBABILITY:
        reason = "unknown probability" if probability is None else f"probability below {MIN_PROBABILITY}"
        return f"not shown that the winner is better than the current configuration ({reason}): {details}"
    return f"the winner is better than the current configuration: {details}"


def tabulate_winner(status: StudyStatus, confirmation: Confirmation, current_params: CurrentParams) -> Table:
    """Tabulate each searched parameter: current value, value of the winner and importance."""
    network, training = current_params
    current = {
        "network": network.model_dump(),
        "training": training.model_dump() | {"learning_rate": training.highest_learning_rate},
    }
    rows = [
        (
            path,
            format_value(get_value(current, path)),
            format_value(value),
            format_number(status.importances.get(path), 2),
        )
        for path, value in confirmation.params.items()
    ]
    note = (
        "kedro atft hpo promote writes these values into an environment. A dash means that the value differs by phase."
    )
    return Table(f"Trial {confirmation.trial}", ("parameter", "current", "winner", "importance"), rows, note)


def tabulate_differences(confirmation: Confirmation) -> Table:
    """Tabulate winner minus current configuration in rank IC, by horizon."""
    rows = [
        (
            f"{horizon}d",
            format_difference(difference.rank_ic),
            format_number(difference.probability, 2),
            str(difference.rank_ic.days),
        )
        for horizon, difference in confirmation.differences.items()
    ]
    header = ("horizon", f"difference in {METRIC_NAMES['rank_ic']}", "probability", "days")
    note = (
        "Daily rank IC on the validation days: mean of the winner's networks minus mean of the current "
        "configuration's, ± Newey-West standard error. The probability is that the true difference is above zero; it "
        f"is corrected for choosing the best of {confirmation.scored_trials} trials and, with several seeds, includes "
        "the error over seeds."
    )
    return Table("Winner and current configuration", header, rows, note)


def tabulate_trials(status: StudyStatus) -> Table:
    """Tabulate all trials: complete ones first, each group by score."""
    ranked = sorted(status.trials, key=_rank_trial)
    rows = [
        (
            str(trial.number),
            trial.state,
            format_number(trial.score),
            str(trial.epochs),
            format_number(trial.seconds, 0),
            format_values(trial.params),
            trial.reason or "",
        )
        for trial in ranked
    ]
    return Table("Trials", ("trial", "state", "score", "epochs", "seconds", "parameters", "reason"), rows)


def _rank_trial(trial: TrialSummary) -> tuple[bool, float]:
    """Rank complete trials before others, high scores before low ones, and no score last."""
    return trial.state != "complete", inf if trial.score is None else -trial.score


def collect_metrics(status: StudyStatus, confirmation: Confirmation) -> dict[str, float]:
    """Collect the metrics of a search for a tracker."""
    metrics = {"search/scored_trials": float(status.scored_trials)}
    if status.best_trial is not None and status.best_trial.score is not None:
        metrics["search/best_score"] = status.best_trial.score
    if confirmation.gain is not None:
        metrics["search/score_gain"] = confirmation.gain
    return metrics
