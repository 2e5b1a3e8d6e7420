"""Baselines: a function that forecasts the keys of a network's forecasts."""

import polars as pl

from atft_kedro.evaluation.baselines import BaselineInputs


def overnight(inputs: BaselineInputs) -> pl.DataFrame:
    """Forecast minus the overnight return."""
    rows = inputs.dataset.select("date", "code", "open", "close").sort("date", maintain_order=True)
    returns = 1 - pl.col("open") / pl.col("close").shift(1).over("code")
    return inputs.keys.join(rows.select("date", "code", returns.alias("forecast")).collect(), on=["date", "code"])
