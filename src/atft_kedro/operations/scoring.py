"""A run's forecasts as a table, and what they are worth."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from ..disk import written_whole
from ..evaluation.score import EvaluationParams, RunScore, evaluate
from ..panel.split import Role
from ..params import InputError
from ..schema import CLOSE, CODE, DATE, FORECAST, HORIZON, SPLIT, VOLUME, target_columns
from ..training.members import Expert, forecast_together
from ..training.run import Material
from .summary import write_summary

FORECASTS, SCORE, SUMMARY = "forecasts.parquet", "metrics.json", "summary.md"


def forecast_part(experts: Sequence[Expert], material: Material, part: Role) -> pl.DataFrame:
    """Forecast the days of a part: a row for each date, code and horizon, with every quantile."""
    network = experts[0].network
    said = forecast_together(experts, material, part)
    days, codes = material.panel.days[said.day.numpy()], pl.Series(material.panel.meaning.codes, dtype=pl.String)
    point = network.point(said.quantiles)
    tables = []
    for place, horizon in enumerate(network.horizons):
        day, stock = np.nonzero(point[..., place].isfinite().numpy())
        quantiles = said.quantiles[:, :, place].numpy()[day, stock]
        tables.append(
            pl.DataFrame(
                {
                    DATE: days[day],
                    CODE: codes.gather(stock),
                    SPLIT: pl.repeat(part, len(day), eager=True),
                    HORIZON: pl.repeat(horizon, len(day), dtype=pl.Int16, eager=True),
                    FORECAST: point[..., place].numpy()[day, stock],
                    **{f"q{level * 100:g}": quantiles[:, at] for at, level in enumerate(network.params.quantiles)},
                }
            )
        )
    return pl.concat(tables)


def score_run(run: str, forecasts: pl.DataFrame, dataset: pl.LazyFrame, params: EvaluationParams) -> RunScore:
    """Score each part's forecasts by the returns that came."""
    schema = dataset.collect_schema()
    wanted = [DATE, CODE, *target_columns(schema), *({CLOSE, VOLUME} & schema.keys())]
    first = forecasts[DATE].min()
    realised = dataset.select(wanted).filter(pl.col(DATE) >= first).collect()
    said = forecasts.select(DATE, CODE, SPLIT, HORIZON, FORECAST)
    parts = said.partition_by(SPLIT, as_dict=True, include_key=False, maintain_order=True)
    scores = {str(part): evaluate(mine, realised, params) for (part,), mine in parts.items()}
    return RunScore(
        run=run,
        split={part: score.horizons for part, score in scores.items()},
        days={part: (score.first, score.last) for part, score in scores.items()},
    )


def rescore(folder: Path, dataset: pl.LazyFrame, params: EvaluationParams) -> RunScore:
    """Score the forecasts in a run's folder by the returns that are known now, and write that down there."""
    path = folder / FORECASTS
    if not path.exists():
        raise InputError(f"Run {folder.name} has no forecasts; kedro run --pipelines evaluate makes the latest run's.")
    score = score_run(folder.name, pl.read_parquet(path), dataset, params)
    for name, text in ((SCORE, score.model_dump_json(indent=2)), (SUMMARY, write_summary(score))):
        with written_whole(folder / name) as partial:
            partial.write_text(text)
    return score


def read_score(folder: Path, *, is_asked: bool) -> RunScore | None:
    """Read what a run was scored; a run that was not is refused where it is asked for by name."""
    path = folder / SCORE
    if path.exists():
        return RunScore.model_validate_json(path.read_text())
    if is_asked:
        raise InputError(f"Run {folder.name} is not scored; kedro atft evaluate {folder.name} does that.")
    return None
