"""What a run was judged to be worth, in its folder: written, written anew, read."""

from collections.abc import Iterable
from pathlib import Path

import polars as pl

from ..files import parse_model, read_json
from ..params import InputError
from ..schema import CODE, DATE, HORIZON, REALISED, target_columns
from ..training.run_status import read_max_gradient, read_training
from .compare_baselines import score_run
from .compare_runs import SAME, read_returns
from .entries import ReturnsByLag
from .goals import GoalParams, check_goals
from .score import EvaluationParams, RunScore

BASELINES, SEEDS, SCORE, DAILY = "baselines.parquet", "seeds.parquet", "metrics.json", "daily.parquet"


def judge(  # noqa: PLR0913, PLR0917 — whose forecasts, what came of which entry, and what was wanted
    folder: Path,
    forecasts: pl.DataFrame,
    rivals: pl.DataFrame,
    returns: pl.DataFrame,
    entry_lag: int,
    params: EvaluationParams,
    goals: GoalParams,
) -> tuple[RunScore, pl.DataFrame]:
    """Score a run's forecasts, in the units that it was trained in, and its rivals', and say which targets are met."""
    labels = read_training(folder).labels
    mine = params.model_copy(update={"units": labels.transform})
    score, daily = score_run(folder.name, forecasts, rivals, returns, mine, entry_lag)
    goal_results = check_goals(score.split, read_max_gradient(folder), goals)
    return score.model_copy(update={"goals": goal_results}), daily


def update_returns(run: str, forecasts: pl.DataFrame, dataset: pl.LazyFrame) -> pl.DataFrame:
    """Put what is known by now beside forecasts; a dataset that says otherwise than the run's own is refused."""
    columns = {horizon: name for name, horizon in target_columns(dataset.collect_schema()).items()}
    horizons = forecasts[HORIZON].unique(maintain_order=True).to_list()
    if lacking := sorted(set(horizons) - columns.keys()):
        raise InputError(
            f"Run {run} forecasts returns over {', '.join(map(str, lacking))} days, which the ML dataset does not "
            f"have: it has {', '.join(map(str, columns))}. Score it with the dataset that it was trained on."
        )
    tables = []
    for horizon in horizons:
        came = dataset.select(DATE, CODE, pl.col(columns[horizon]).alias("came")).collect()
        mine = forecasts.filter(pl.col(HORIZON) == horizon)
        tables.append(mine.join(came, on=[DATE, CODE], how="left", maintain_order="left"))
    both = pl.concat(tables)
    known = both.drop_nulls([REALISED, "came"])
    differ = known.filter((pl.col(REALISED) - pl.col("came")).abs() > SAME)
    if len(differ) or not len(known):
        raise InputError(
            f"The ML dataset is not the one that run {run} was trained on: it has other returns for {len(differ):,} of "
            f"the {len(known):,} forecasts that both know."
        )
    return both.with_columns(pl.coalesce("came", REALISED).alias(REALISED)).drop("came")


def read_score(folder: Path, *, is_asked: bool) -> RunScore | None:
    """Read what a run was scored; a run that was not is refused where it is asked for by name."""
    path = folder / SCORE
    if path.exists():
        return parse_model(read_json(path), RunScore, path)
    if is_asked:
        raise InputError(f"Run {folder.name} is not scored; kedro atft evaluate {folder.name} does that.")
    return None


def read_all_returns(folders: Iterable[Path]) -> dict[str, ReturnsByLag]:
    """Read by which returns scored runs were scored, from every entry."""
    scores = {folder: read_score(folder, is_asked=True) for folder in folders}
    return {folder.name: read_returns(folder, score.entry_lag) for folder, score in scores.items() if score is not None}


def read_scores(folders: Iterable[Path], *, are_asked: bool) -> tuple[list[RunScore], list[str]]:
    """Read the scores of runs; of runs not asked for by name, those that cannot be read come as reasons."""
    scores, unreadable = [], []
    for folder in folders:
        try:
            score = read_score(folder, is_asked=are_asked)
        except InputError as error:
            if are_asked:
                raise
            unreadable.append(f"Run {folder.name} is left out: {error}")
        else:
            scores += [score] if score is not None else []
    return scores, unreadable
