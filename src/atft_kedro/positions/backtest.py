"""Backtest of positions: orders, fills, drifting weights, costs and delisted stocks, day by day."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ..evaluation.position_score import COST_KINDS, COST_PREFIX, PositionEntry
from ..params import InputError
from ..schema import CODE, DATE
from .costs import DayCosts
from .price_arrays import Floats, PriceArrays
from .risk_model import RiskModel

ZERO_WEIGHT = 1e-12  # a weight up to this is a rounding error


@dataclass(frozen=True)
class Decision:
    """The orders after a day's close, and whether the day's problem was solved."""

    orders: Floats  # (stock,) change of the weights
    is_solved: bool = True


Policy = Callable[[int, Floats, float], Decision]  # day, drifted weights (stock,) and capital -> orders


@dataclass
class Account:
    """The value of the positions and of the cash in currency, and their changes on a day."""

    values: Floats  # (stock,)
    cash: float
    capital: float  # for which costs are charged: they do not follow the equity
    start_equity: float = 0.0
    gain: float = 0.0  # before costs
    costs: dict[str, float] = field(default_factory=dict)  # by kind
    traded: float = 0.0
    delisted: int = 0

    @property
    def equity(self) -> float:
        """Return the value of all positions and the cash."""
        return float(self.values.sum()) + self.cash

    @property
    def weights(self) -> Floats:
        """Return the positions (stock,) as shares of the equity."""
        return self.values / self.equity

    def start_day(self) -> Floats:
        """Reset the sums of the day; return the weights."""
        self.start_equity, self.gain, self.traded, self.delisted = self.equity, 0.0, 0.0, 0
        self.costs = dict.fromkeys(COST_KINDS, 0.0)
        return self.weights

    def move(self, returns: Floats) -> None:
        """Move each position with its return."""
        change = self.values * returns
        self.values = self.values + change
        self.gain += float(change.sum())

    def pay_out(self, stocks: NDArray[np.bool_], returns: Floats) -> None:
        """Turn the positions of delisted stocks into cash after their terminal return."""
        self.delisted += int((np.abs(self.values[stocks]) > ZERO_WEIGHT * abs(self.equity)).sum())
        self.move(np.where(stocks, returns, 0.0))
        self.cash += float(self.values[stocks].sum())
        self.values = np.where(stocks, 0.0, self.values)

    def fill(self, orders: Floats, costs: DayCosts) -> None:
        """Fill orders in currency, and pay their costs."""
        equity = self.equity
        self._pay(costs.charge(orders / equity, np.zeros_like(orders), self.capital), equity)
        self.values = self.values + orders
        self.cash -= float(orders.sum())
        self.traded += float(np.abs(orders).sum())

    def require_equity(self, day: date) -> None:
        """Refuse to go on without any equity."""
        assert np.isfinite(self.equity), f"an order or a cost of {day} is not a number"
        if self.equity <= 0:
            raise InputError(f"A portfolio has lost all its capital by {day}: decrease limits.gross or the capital.")

    def pay_borrow(self, costs: DayCosts) -> None:
        """Pay a day's fee for the short positions."""
        equity = self.equity
        self._pay(costs.charge(np.zeros_like(self.values), np.maximum(-self.values, 0) / equity, self.capital), equity)

    def summarise(self, factors: float, *, is_solved: bool) -> dict[str, float]:
        """Summarise the day; returns and costs are shares of the equity at its start."""
        gross, weights = self.gain / self.start_equity, self.weights
        costs = {COST_PREFIX + kind: cost / self.start_equity for kind, cost in self.costs.items()}
        return {
            "gross": gross,
            "net": gross - sum(costs.values()),
            "turnover": self.traded / self.start_equity,
            "gross_exposure": float(np.abs(weights).sum()),
            "net_exposure": float(weights.sum()),
            **costs,
            "factor": factors,
            "specific": gross - factors,
            "delisted": self.delisted,
            "unsolved": int(not is_solved),
        }

    def _pay(self, charged: dict[str, float], equity: float) -> None:
        for kind, share in charged.items():
            self.costs[kind] += share * equity
            self.cash -= share * equity


Market = Callable[[int], tuple[RiskModel, DayCosts]]  # the models known after a day's close


@dataclass(frozen=True)
class Backtest:
    """The result of a backtest: a row per day, and the positions after each day."""

    daily: pl.DataFrame
    weights: pl.DataFrame


def run_backtest(
    arrays: PriceArrays, days: range, entry: PositionEntry, policy: Policy, market: Market, capital: float
) -> Backtest:
    """Fill the orders that a policy gives after the close of each day; return the results.

    An order is a number of shares: that of a weight, at the equity and the close of the decision. It is filled at that
    close (entry ``close``), at the next open or at the next close. A stock without a price then is not traded. Weights
    drift with the prices between fills. Costs are those estimated at the decision.
    """
    account = Account(np.zeros(len(arrays.index.codes)), capital, capital)
    orders, risk, costs = np.zeros_like(account.values), None, None
    rows, weights = [], []
    for day in days:
        start = account.start_day()
        if costs is not None:
            move_through_day(account, arrays, day, entry, orders, costs)
        factors = 0.0 if risk is None else attribute_to_factors(start, arrays.returns[day], risk)
        risk, costs = market(day)
        decision = policy(day, account.weights, capital)
        orders = np.where(np.isfinite(arrays.close[day]), decision.orders, 0.0) * account.equity
        if entry == "close":
            account.fill(orders, costs)
        day_values = account.summarise(factors, is_solved=decision.is_solved)
        rows.append({DATE: arrays.index.days[day], **day_values})
        weights.append(_list_positions(arrays, day, account.weights, orders / account.equity))
    return Backtest(pl.DataFrame(rows), pl.concat(weights))


def move_through_day(
    account: Account, arrays: PriceArrays, day: int, entry: PositionEntry, orders: Floats, costs: DayCosts
) -> None:
    """Pay the borrow fee, move the positions with prices, and fill the earlier orders.

    A stock without a price keeps its last value, and its order is not filled.
    """
    account.pay_borrow(costs)
    has_close, has_open = (np.isfinite(values[day]) for values in (arrays.returns, arrays.overnight))
    growth = np.where(has_close, 1 + arrays.returns[day], 1.0)
    if entry == "next_open":
        growth_to_open = np.where(has_open, 1 + arrays.overnight[day], 1.0)
        account.move(growth_to_open - 1)
        account.require_equity(arrays.index.days[day])
        account.fill(np.where(has_open, orders * growth_to_open, 0.0), costs)
        account.move(growth / growth_to_open - 1)
    else:
        account.move(growth - 1)
    account.pay_out(arrays.terminal_day == day, arrays.terminal_return)
    account.require_equity(arrays.index.days[day])
    if entry == "next_close":
        account.fill(np.where(has_close, orders * growth, 0.0), costs)
        account.require_equity(arrays.index.days[day])


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
    return pl.DataFrame({CODE: arrays.index.codes[listed], "weight": weights[listed], "order": orders[listed]}).select(
        pl.lit(arrays.index.days[day]).alias(DATE), pl.all()
    )
