"""The scores in a run's folder: read, and brought up to date with new returns."""

from collections.abc import Iterable
from pathlib import Path

import polars as pl

from ..files import parse_model, read_json
from ..params import InputError
from ..schema import CODE, DATE, HORIZON, REALISED, target_columns
from ..training.run_status import read_max_gradient, read_training
from .compare_runs import RETURN_TOLERANCE, read_returns
from .entries import ReturnsByLag
from .goals import GoalParams, check_goals
from .score import EvaluationParams, RunScore

BASELINES, SEEDS, SCORE, DAILY = "baselines.parquet", "seeds.parquet", "metrics.json", "daily.parquet"
LATER = "return known now"


def use_run_units(params: EvaluationParams, folder: Path) -> EvaluationParams:
    """Replace the units by those of the labels that a run was trained on."""
    return params.model_copy(update={"units": read_training(folder).labels.transform})


def add_goals(score: RunScore, folder: Path, goals: GoalParams) -> RunScore:
    """Add to a run's score which goals it met."""
    return score.model_copy(update={"goals": check_goals(score.split, read_max_gradient(folder), goals)})


def update_returns(run: str, forecasts: pl.DataFrame, dataset: pl.LazyFrame) -> pl.DataFrame:
    """Add returns that became known since; refuse a dataset with different returns."""
    columns = {horizon: name for name, horizon in target_columns(dataset.collect_schema()).items()}
    horizons = forecasts[HORIZON].unique(maintain_order=True).to_list()
    if missing := sorted(set(horizons) - columns.keys()):
        raise InputError(
            f"Run {run} forecasts returns over {', '.join(map(str, missing))} days, but the ML dataset has only "
            f"{', '.join(map(str, columns))}. Score it with the dataset that it was trained on."
        )
    tables = []
    for horizon in horizons:
        returns = dataset.select(DATE, CODE, pl.col(columns[horizon]).alias(LATER)).collect()
        rows = forecasts.filter(pl.col(HORIZON) == horizon)
        tables.append(rows.join(returns, on=[DATE, CODE], how="left", maintain_order="left"))
    both = pl.concat(tables)
    known = both.drop_nulls([REALISED, LATER])
    different = known.filter((pl.col(REALISED) - pl.col(LATER)).abs() > RETURN_TOLERANCE)
    if len(different) or not len(known):
        raise InputError(
            f"The ML dataset is not the one that run {run} was trained on: it has different returns for "
            f"{len(different):,} of the {len(known):,} forecasts whose return both know."
        )
    return both.with_columns(pl.coalesce(LATER, REALISED).alias(REALISED)).drop(LATER)


def read_score(folder: Path, *, is_required: bool) -> RunScore | None:
    """Read a run's score; None if it has none and is not required."""
    path = folder / SCORE
    if path.exists():
        return parse_model(read_json(path), RunScore, path)
    if is_required:
        raise InputError(f"Run {folder.name} is not scored. kedro atft evaluate {folder.name} scores it.")
    return None


def read_all_returns(folders: Iterable[Path]) -> dict[str, ReturnsByLag]:
    """Read the returns that each scored run was scored with."""
    scores = {folder: read_score(folder, is_required=True) for folder in folders}
    return {folder.name: read_returns(folder, score.entry_lag) for folder, score in scores.items() if score is not None}


def read_scores(folders: Iterable[Path], *, are_required: bool) -> tuple[list[RunScore], list[str]]:
    """Read the scores of runs, and a message for each that is unreadable and not required."""
    scores, messages = [], []
    for folder in folders:
        try:
            score = read_score(folder, is_required=are_required)
        except InputError as error:
            if are_required:
                raise
            messages.append(f"Run {folder.name} is omitted: {error}")
        else:
            scores += [score] if score is not None else []
    return scores, messages
