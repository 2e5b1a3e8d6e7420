"""Returns of trading on forecasts, before and after costs."""

from collections.abc import Mapping

import polars as pl

from ..evaluation.compare_baselines import NETWORK
from ..evaluation.daily_statistics import finite_or_none, sharpe
from ..evaluation.entries import name_entry
from ..evaluation.portfolio import BASIS_POINT
from ..reporting.format import format_number
from ..reporting.run_tables import PORTFOLIOS
from ..reporting.table import Row, Table
from .run_evidence import RunEvidence
from .score_tables import LEARNED_BASELINES, list_other_entries

COSTS = (5.0, 10.0)  # basis points of the value of each purchase and of each sale
IN_BASIS_POINTS = 1 / BASIS_POINT
TITLE = "Returns after costs"


def tabulate_run_costs(run: RunEvidence, title: str = TITLE) -> Table:
    """Tabulate the returns of a run and of the learned baselines on the test days."""
    learned = [name for name in LEARNED_BASELINES if name in run.score.baselines]
    trained_lag = run.score.entry_lag
    daily = {
        (horizon, name if lag == trained_lag else f"{name}, {name_entry(lag)}"): run.read_days(horizon, name, lag)
        for horizon in run.horizons
        for name in (NETWORK, *learned)
        for lag in (trained_lag, *list_other_entries(run.score))
    }
    return tabulate_costs(daily, title)


def tabulate_costs(daily: Mapping[tuple[int, str], pl.DataFrame], title: str) -> Table:
    """Tabulate mean daily returns before and after costs.

    ``daily`` maps each horizon and label of a forecaster to its daily scores.
    """
    rows: list[Row] = []
    for (horizon, forecaster), table in daily.items():
        for name, portfolio in PORTFOLIOS.items():
            if f"{name}_gross" not in table.columns:
                continue  # without one-day returns there are no portfolios
            gross, turnover = table.select(f"{name}_gross", f"{name}_turnover").drop_nulls().to_numpy().T
            returns_by_cost = [gross, *(gross - cost * BASIS_POINT * turnover for cost in COSTS)]
            mean_turnover = turnover.mean()
            break_even = gross.mean() / mean_turnover * IN_BASIS_POINTS if mean_turnover > 0 else None
            values = [
                f"{IN_BASIS_POINTS * returns.mean():.1f} ({format_number(finite_or_none(sharpe(returns)), 2)})"
                for returns in returns_by_cost
            ]
            turnovers = [f"{mean_turnover:.2f}", format_number(break_even, 1)]
            rows.append([f"{horizon} d", forecaster, portfolio, *values, *turnovers])
    costs = [f"at {cost:g} bp" for cost in COSTS]
    return Table(
        title,
        ("horizon", "forecaster", "portfolio", "before costs", *costs, "turnover per day", "break-even cost, bp"),
        rows,
        "Mean return in basis points per day, with the annualised Sharpe ratio in brackets. The long-short portfolio "
        "is half long and half short. The return of the long-only portfolio is its return minus the mean return of "
        "all stocks; holding all stocks is assumed to cost nothing. A portfolio over h days has h equal pieces: each "
        "day one piece is replaced, so the portfolio is fully invested from day h on. Costs are basis points of the "
        "value of each purchase and of each sale.",
    )
