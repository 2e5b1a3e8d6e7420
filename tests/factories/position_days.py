"""Small tables of the days of positions, and their score."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

import numpy as np
import polars as pl

from atft_kedro.evaluation.position_score import POSITION_DAYS_SCHEMA, PositionScore, score_positions

COSTS = {"cost_spread": 2e-4, "cost_impact": 1e-4, "cost_commission": 0.0, "cost_borrow": 0.5e-4}
DELISTING_NOTE = "A delisted stock returns -30 % on its last day."


def make_days(portfolios: Mapping[str, Sequence[float]], **values: float) -> pl.DataFrame:
    """Make consecutive days of portfolios from their net returns; the costs of a day are 3.5 bp."""
    total = sum(COSTS.values())
    rows = [
        {
            "portfolio": name,
            "date": date(2024, 1, 1) + timedelta(days=day),
            **COSTS,
            **{"gross": net + total, "net": net, "factor": 1e-4, "specific": net + total - 1e-4},
            **{"turnover": 0.2, "gross_exposure": 1.0, "net_exposure": 0.1, "predicted_variance": 1e-4},
            **{"delisted": 0, "delisted_by_default": 0, "unsolved": 0},
            **values,
        }
        for name, returns in portfolios.items()
        for day, net in enumerate(returns)
    ]
    return pl.DataFrame(rows, schema=POSITION_DAYS_SCHEMA)


def make_random_days(days: int = 60) -> pl.DataFrame:
    """Make days of optimised positions that earn more than the books of 1 and 5 days, and less with more capital."""
    random = np.random.default_rng(5)
    means = {"optimised": 8e-4, "book 1": -2e-4, "book 5": 4e-4, "capital = 1000000000": 2e-4}
    return make_days({name: (mean + 4e-3 * random.normal(size=days)).tolist() for name, mean in means.items()})


def make_position_score(days: int = 60) -> PositionScore:
    """Score random days."""
    return score_positions(make_random_days(days), "next_close", 1e7, {"capital": "10000000"}, DELISTING_NOTE)
