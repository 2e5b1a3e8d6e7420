"""What trading on forecasts would have earned, and what of it is left after costs."""

from collections.abc import Mapping

import numpy as np
import polars as pl

from ..evaluation.compare_baselines import NETWORK
from ..evaluation.daily_statistics import sharpe
from ..evaluation.entries import name_entry
from ..reporting.format import format_number
from ..reporting.run_tables import NAMES
from ..reporting.table import Row, Table
from .run_evidence import Evidence
from .tables import STRONG, list_others

COSTS = (5.0, 10.0)  # basis points of each trade, on its side


def tabulate_costs(run: Evidence, title: str = "What is left after costs") -> Table:
    """Tell what trading the test days' forecasts would have earned at each cost, and those of the strong baselines."""
    traders = {"ours": NETWORK, **{name: name for name in STRONG if name in run.score.baselines}}
    own = run.score.entry_lag
    return tabulate_trades(
        {
            (horizon, name if lag == own else f"{name}, {name_entry(lag)}"): run.days(horizon, said, lag)
            for horizon in run.horizons
            for name, said in traders.items()
            for lag in (own, *list_others(run.score))
        },
        title,
    )


def tabulate_trades(days: Mapping[tuple[int, str], pl.DataFrame], title: str) -> Table:
    """Tell what each horizon's and forecaster's books earned, before and after costs."""
    rows: list[Row] = []
    for (horizon, who), table in days.items():
        for name, book in NAMES.items():
            if f"{name}_gross" not in table.columns:
                continue
            known = table.select(pl.col(f"{name}_gross", f"{name}_turnover")).drop_nulls().to_numpy().T
            gross, turnover = known
            nets = [gross - cost * 1e-4 * turnover for cost in COSTS]
            even = gross.mean() / turnover.mean() * 1e4 if turnover.mean() > 0 else None
            earned = [f"{1e4 * each.mean():.1f}" for each in (gross, *nets)]
            ratios = [_say_ratio(each) for each in (gross, *nets)]
            both = [f"{bp} ({ratio})" for bp, ratio in zip(earned, ratios, strict=True)]
            rows.append([f"{horizon} d", who, book, *both, f"{turnover.mean():.2f}", format_number(even, 1)])
    costs = [f"at {cost:g} bp" for cost in COSTS]
    return Table(
        title,
        ("horizon", "forecaster", "book", "before costs", *costs, "turnover a day", "worth nothing at, bp"),
        rows,
        "Basis points a day, and in brackets the year's Sharpe ratio. A long-short book is one half long and one half "
        "short, the long-only one is told less the mean of all stocks, for which nothing is paid. Each is held for its "
        "horizon, a part of it renewed every day, and wholly invested after so many days; every trade costs so much on "
        "its side.",
    )


def _say_ratio(returns: np.ndarray) -> str:
    ratio = sharpe(returns)
    return f"{ratio:.2f}" if np.isfinite(ratio) else "–"
