"""Reading the scores in run folders, and adding goals and new returns to them."""

from collections.abc import Iterable
from pathlib import Path

import polars as pl

from ..advice import advise_command
from ..files import parse_model, read_json
from ..params import InputError
from ..schema import CODE, DATE, HORIZON, REALISED, target_columns
from ..training.run_status import read_max_gradient
from ..training.runs import read_manifest
from .compare_runs import RETURN_TOLERANCE, read_returns
from .entries import ReturnsByLag
from .goals import GoalParams, check_goals
from .score import EvaluationParams, RunScore, ScoringParams

BASELINES, SEEDS, SCORE, DAILY = "baselines.parquet", "seeds.parquet", "metrics.json", "daily.parquet"
NEW_RETURN = "new return"  # column of the returns that are known now


def use_run_units(params: ScoringParams, folder: Path) -> EvaluationParams:
    """Add the units of the labels that a run was trained on."""
    return params.with_units(read_manifest(folder)["training"]["labels"]["transform"])


def add_goals(score: RunScore, folder: Path, goals: GoalParams) -> RunScore:
    """Add the results of the goals to a run's score."""
    return score.model_copy(update={"goals": check_goals(score.split, read_max_gradient(folder), goals)})


def update_returns(run: str, forecasts: pl.DataFrame, dataset: pl.LazyFrame) -> pl.DataFrame:
    """Add returns that are known by now; refuse a dataset with different returns."""
    columns = {horizon: name for name, horizon in target_columns(dataset.collect_schema()).items()}
    horizons = forecasts[HORIZON].unique(maintain_order=True).to_list()
    if missing := sorted(set(horizons) - columns.keys()):
        raise InputError(
            f"Run {run} forecasts returns over {', '.join(map(str, missing))} days, but the ML dataset has only "
            f"{', '.join(map(str, columns))}. Score it with the dataset that it was trained on."
        )
    tables = []
    for horizon in horizons:
        returns = dataset.select(DATE, CODE, pl.col(columns[horizon]).alias(NEW_RETURN)).collect()
        rows = forecasts.filter(pl.col(HORIZON) == horizon)
        tables.append(rows.join(returns, on=[DATE, CODE], how="left", maintain_order="left"))
    both = pl.concat(tables)
    known = both.drop_nulls([REALISED, NEW_RETURN])
    different = known.filter((pl.col(REALISED) - pl.col(NEW_RETURN)).abs() > RETURN_TOLERANCE)
    if len(different) or not len(known):
        raise InputError(
            f"The ML dataset is not the one that run {run} was trained on: it has different returns for "
            f"{len(different):,} of the {len(known):,} forecasts whose return is in both."
        )
    return both.with_columns(pl.coalesce(NEW_RETURN, REALISED).alias(REALISED)).drop(NEW_RETURN)


def read_score(folder: Path) -> RunScore:
    """Read a run's score; refuse a run without one."""
    path = folder / SCORE
    if not path.exists():
        raise InputError(
            f"Run {folder.name} is not scored. {advise_command(f'atft evaluate {folder.name}')} scores it."
        )
    return parse_model(read_json(path), RunScore, path)


def read_all_returns(folders: Iterable[Path]) -> dict[str, ReturnsByLag]:
    """Read the returns that each scored run was scored with."""
    return {folder.name: read_returns(folder, read_score(folder).entry_lag) for folder in folders}


def read_scores(folders: Iterable[Path], *, are_required: bool) -> tuple[list[RunScore], list[str]]:
    """Read scores; if they are not required, omit missing ones and explain unreadable ones."""
    scores, messages = [], []
    for folder in folders:
        try:
            if are_required or (folder / SCORE).exists():
                scores.append(read_score(folder))
        except InputError as error:
            if are_required:
                raise
            messages.append(f"Run {folder.name} is omitted: {error}")
    return scores, messages
