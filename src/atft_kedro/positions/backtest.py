"""Backtest of positions: orders, fills, drifting weights, costs and delisted stocks, day by day."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

import numpy as np
import polars as pl

from ..evaluation.position_score import COST_KINDS, COST_PREFIX, PositionEntry
from ..params import InputError
from ..schema import CODE, DATE
from .costs import DayCosts
from .price_arrays import Floats, PriceArrays
from .risk_model import RiskModel

ZERO_WEIGHT = 1e-12  # a weight up to this is a rounding error


class Decision(NamedTuple):
    """The orders after a day's close, and whether the day's problem was solved."""

    orders: Floats  # (stock,) change of the weights
    is_solved: bool = True


Policy = Callable[[int, Floats, float], Decision]  # day, drifted weights (stock,) and capital -> orders
Market = Callable[[int], tuple[RiskModel, DayCosts]]  # the models known after a day's close


class Backtest(NamedTuple):
    """The result of a backtest: a row per day, and the positions after each day."""

    daily: pl.DataFrame
    weights: pl.DataFrame


@dataclass
class Account:
    """The positions and the cash in currency, and the trades and costs of a day."""

    values: Floats  # (stock,)
    cash: float
    capital: float  # for which costs are charged: they do not follow the equity
    day: date
    traded: float = 0.0
    costs: dict[str, float] = field(default_factory=lambda: dict.fromkeys(COST_KINDS, 0.0))

    @property
    def equity(self) -> float:
        """Return the value of all positions and the cash, which must be positive."""
        equity = float(self.values.sum()) + self.cash
        assert np.isfinite(equity), f"an order or a cost of {self.day} is not a number"
        if equity <= 0:
            raise InputError(
                f"A portfolio has lost all its capital by {self.day}: decrease limits.gross or the capital."
            )
        return equity

    @property
    def weights(self) -> Floats:
        """Return the positions (stock,) as shares of the equity."""
        return self.values / self.equity

    def fill(self, orders: Floats, costs: DayCosts) -> None:
        """Fill orders in currency, and pay their costs."""
        equity = self.equity
        for kind, cost in costs.charge(orders / equity, self.capital).items():
            self.pay(kind, float(cost.sum()) * equity)
        self.values = self.values + orders
        self.cash -= float(orders.sum())
        self.traded += float(np.abs(orders).sum())

    def pay(self, kind: str, cost: float) -> None:
        """Pay a cost in currency."""
        self.costs[kind] += cost
        self.cash -= cost

    def summarise(self, start_equity: float) -> dict[str, float]:
        """Summarise the day; returns, trades and costs are shares of the equity at its start."""
        costs = {COST_PREFIX + kind: cost / start_equity for kind, cost in self.costs.items()}
        net = self.equity / start_equity - 1
        return {
            "gross": net + sum(costs.values()),
            "net": net,
            "turnover": self.traded / start_equity,
            "gross_exposure": float(np.abs(self.weights).sum()),
            "net_exposure": float(self.weights.sum()),
            **costs,
        }


def run_backtest(
    arrays: PriceArrays, days: range, entry: PositionEntry, policy: Policy, market: Market, capital: float
) -> Backtest:
    """Fill the orders that a policy gives after the close of each day; return the results.

    An order is a number of shares: that of a weight, at the equity and the close of the decision. It is filled at that
    close (entry ``close``), at the next open or at the next close. A stock without a price then is not traded. Weights
    drift with the prices between fills. Costs are those estimated at the decision.
    """
    values, cash = np.zeros(len(arrays.index.codes)), capital
    orders, (risk, costs) = np.zeros_like(values), market(days.start)  # nothing is held on the first day
    rows, weights = [], []
    for day in days:
        account = Account(values, cash, capital, arrays.index.days[day])
        equity, start = account.equity, account.weights
        move_through_day(account, arrays, day, entry, orders, costs)
        factor, predicted = attribute_to_factors(start, arrays.returns[day], risk), risk.variance(start)
        risk, costs = market(day)
        decision = policy(day, account.weights, capital)
        orders = np.where(np.isfinite(arrays.close[day]), decision.orders, 0.0) * account.equity
        if entry == "close":
            account.fill(orders, costs)
        summary, delisted = account.summarise(equity), (arrays.terminal_day == day) & (np.abs(start) > ZERO_WEIGHT)
        rows.append(
            {
                DATE: account.day,
                **summary,
                "factor": factor,
                "specific": summary["gross"] - factor,
                "predicted_variance": float(predicted),
                "delisted": int(delisted.sum()),
                "delisted_by_default": int((delisted & ~arrays.is_in_delistings).sum()),
                "unsolved": int(not decision.is_solved),
            }
        )
        weights.append(_list_positions(arrays, day, account.weights, orders / account.equity))
        values, cash = account.values, account.cash
    return Backtest(pl.DataFrame(rows), pl.concat(weights))


def move_through_day(
    account: Account, arrays: PriceArrays, day: int, entry: PositionEntry, orders: Floats, costs: DayCosts
) -> None:
    """Pay the borrow fee, move positions with prices, fill orders and pay out delisted stocks.

    A stock without a price keeps its last value, and its order is not filled.
    """
    account.pay("borrow", costs.borrow * float(np.maximum(-account.values, 0).sum()))
    has_close, has_open = (np.isfinite(values[day]) for values in (arrays.returns, arrays.overnight))
    growth = np.where(has_close, 1 + arrays.returns[day], 1.0)
    if entry == "next_open":
        growth_to_open = np.where(has_open, 1 + arrays.overnight[day], 1.0)
        account.values = account.values * growth_to_open
        account.fill(np.where(has_open, orders * growth_to_open, 0.0), costs)
        growth /= growth_to_open
    account.values = account.values * growth
    delisted = arrays.terminal_day == day
    account.cash += float((account.values * (1 + arrays.terminal_return))[delisted].sum())
    account.values = np.where(delisted, 0.0, account.values)
    if entry == "next_close":
        account.fill(np.where(has_close, orders * growth, 0.0), costs)


def attribute_to_factors(weights: Floats, returns: Floats, risk: RiskModel) -> float:
    """Compute the return of a day's positions that comes from the risk model's factors.

    The factors' returns are estimated by weighted least squares over the stocks with a return.
    """
    known = np.isfinite(returns)
    scaled = risk.loadings[known] / risk.specific_variance[known, None]
    factors = np.linalg.lstsq(scaled.T @ risk.loadings[known], scaled.T @ returns[known], rcond=None)[0]
    return float((weights @ risk.loadings) @ factors)


def _list_positions(arrays: PriceArrays, day: int, weights: Floats, orders: Floats) -> pl.DataFrame:
    """List the weights after a day, and its orders as weights; stocks with neither are left out."""
    listed = np.flatnonzero((np.abs(weights) > ZERO_WEIGHT) | (np.abs(orders) > ZERO_WEIGHT))
    table = {CODE: arrays.index.codes[listed], "weight": weights[listed], "order": orders[listed]}
    return pl.DataFrame(table).select(pl.lit(arrays.index.days[day]).alias(DATE), pl.all())
