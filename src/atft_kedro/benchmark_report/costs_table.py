"""Returns of trading on forecasts, before and after costs."""

from collections.abc import Mapping

import numpy as np
import polars as pl

from ..evaluation.compare_baselines import NETWORK
from ..evaluation.daily_statistics import sharpe
from ..evaluation.entries import name_entry
from ..reporting.format import format_number
from ..reporting.run_tables import PORTFOLIOS
from ..reporting.table import Row, Table
from .run_evidence import RunEvidence
from .score_tables import LEARNED_BASELINES

COSTS = (5.0, 10.0)  # basis points of the traded value, per side
TITLE = "Returns after costs"


def tabulate_run_costs(run: RunEvidence, title: str = TITLE) -> Table:
    """Tabulate the returns of a run and of the learned baselines on the test days."""
    learned = [name for name in LEARNED_BASELINES if name in run.score.baselines]
    own = run.score.entry_lag
    others = [lag for lag in run.score.entries if lag != own]
    days = {
        (horizon, title_of if lag == own else f"{title_of}, {name_entry(lag)}"): run.read_days(horizon, name, lag)
        for horizon in run.horizons
        for title_of, name in {"network": NETWORK, **{name: name for name in learned}}.items()
        for lag in (own, *others)
    }
    return tabulate_costs(days, title)


def tabulate_costs(days: Mapping[tuple[int, str], pl.DataFrame], title: str) -> Table:
    """Tabulate daily returns by horizon, forecaster and book, before and after costs."""
    rows: list[Row] = []
    for (horizon, forecaster), table in days.items():
        for name, book in PORTFOLIOS.items():
            if f"{name}_gross" not in table.columns:
                continue
            gross, turnover = table.select(f"{name}_gross", f"{name}_turnover").drop_nulls().to_numpy().T
            returns = [gross, *(gross - cost * 1e-4 * turnover for cost in COSTS)]
            mean_turnover = turnover.mean()
            break_even = gross.mean() / mean_turnover * 1e4 if mean_turnover > 0 else None
            values = [f"{1e4 * daily.mean():.1f} ({_format_sharpe(daily)})" for daily in returns]
            turnovers = [f"{mean_turnover:.2f}", format_number(break_even, 1)]
            rows.append([f"{horizon} d", forecaster, book, *values, *turnovers])
    costs = [f"at {cost:g} bp" for cost in COSTS]
    return Table(
        title,
        ("horizon", "forecaster", "book", "before costs", *costs, "turnover per day", "break-even cost, bp"),
        rows,
        "Mean return in basis points per day, with the annualised Sharpe ratio in brackets. The long-short book is "
        "half long and half short. The return of the long-only book is that beyond the mean of all stocks, which is "
        "free of costs. Each book is held for its horizon: a part is renewed every day, and all of it is invested "
        "after as many days. Costs are per side of every trade.",
    )


def _format_sharpe(returns: np.ndarray) -> str:
    ratio = sharpe(returns)
    return f"{ratio:.2f}" if np.isfinite(ratio) else "–"
