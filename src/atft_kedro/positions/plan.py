"""The orders of a day, from expected returns, risk and costs; and those of a decile book."""

from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Literal, Self

import numpy as np
import torch
from pydantic import Field, model_validator

from .. import metrics
from ..dotted_paths import flatten, set_value
from ..evaluation.position_score import PositionEntry
from ..params import Params, suggest_name
from .backtest import Decision, Policy
from .costs import CostHistory, CostParams, DayCosts, estimate_costs
from .optimizer import DayProblem, LimitParams, PositionOptimizer
from .price_arrays import Floats, PriceArrays
from .risk_model import RiskModel, RiskParams, fit_risk_model

SMALLEST_ORDER = 1e-7  # share of the equity; smaller orders are rounding errors of the solver
ROUND_TRIP = 2  # a position that is opened has to be closed: it pays the costs per traded weight twice

Positive = Annotated[float, Field(gt=0)]


class PositionParams(Params):
    """How forecasts become positions, and how these are tested.

    ``holding_days`` is the expected time between a purchase and its sale: expected returns and costs are those of one
    such day. ``delisting_return`` is earned by the holders of a delisted stock that ``delistings`` lacks.
    ``sensitivity`` has lists of values for other parameters of this block; the backtest is repeated with each value.
    ``lot_size`` is the smallest number of shares; 0: fractions of shares are traded.
    """

    enabled: bool
    entry: PositionEntry
    portfolio: Literal["long_short", "long_only"]
    capital: Positive
    sensitivity: dict[str, Any]
    risk_aversion: Positive
    holding_days: Annotated[float, Field(ge=1)]
    limits: LimitParams
    risk: RiskParams
    refit_days: Annotated[int, Field(gt=0)]
    costs: CostParams
    delisting_return: Annotated[float, Field(ge=-1)]
    lot_size: Annotated[int, Field(ge=0)]

    @property
    def history(self) -> int:
        """Return the number of days before the first day of a backtest that it reads."""
        return max(self.risk.window + self.refit_days, self.costs.spread_days, self.costs.volume_days)

    @model_validator(mode="after")
    def _check_sensitivity(self) -> Self:
        self.list_variants()
        return self

    def list_variants(self) -> dict[tuple[str, Any], Self]:
        """Map each name and value of ``sensitivity`` to the changed parameters."""
        block = self.model_dump() | {"sensitivity": {}}
        known, variants = list(flatten(block)), {}
        for name, values in flatten(self.sensitivity).items():
            if name not in known or not isinstance(values, list):
                raise ValueError(
                    f"sensitivity.{name} is not a list of values of a parameter{suggest_name(name, known)}"
                )
            for value in values:
                changed = deepcopy(block)
                set_value(changed, name, value)
                variants[name, value] = self.model_validate(changed)
        return variants


@dataclass(frozen=True)
class MarketModels:
    """The risk and the costs that are known after each day's close."""

    arrays: PriceArrays
    params: PositionParams

    @cached_property
    def _models(self) -> dict[int, tuple[RiskModel, DayCosts]]:
        return {}

    def __call__(self, day: int) -> tuple[RiskModel, DayCosts]:
        """Return the risk model, which is fitted again every ``refit_days``, and the costs of a day."""
        if day not in self._models:
            is_refit = day % self.params.refit_days == 0 or day - 1 not in self._models
            risk = self._fit_risk(day) if is_refit else self._models[day - 1][0]
            self._models[day] = risk, self._costs.make_day_costs(day, risk.volatility)
        return self._models[day]

    def _fit_risk(self, day: int) -> RiskModel:
        window = slice(max(day + 1 - self.params.risk.window, 0), day + 1)
        return fit_risk_model(self.arrays.returns[window], self.params.risk)

    @cached_property
    def _costs(self) -> CostHistory:
        arrays = self.arrays
        return estimate_costs(arrays.high, arrays.low, arrays.close, arrays.traded_value, self.params.costs)


class OptimisedPolicy:
    """Trades towards the solution of each day's problem."""

    def __init__(self, arrays: PriceArrays, expected: Floats, market: MarketModels, params: PositionParams) -> None:
        self._arrays, self._expected, self._market, self._params = arrays, expected, market, params
        self._optimizers: dict[int, PositionOptimizer] = {}  # by number of factors, which short histories lower

    def __call__(self, day: int, held: Floats, capital: float) -> Decision:
        """Return the day's orders; without any forecast there are none."""
        arrays, params = self._arrays, self._params
        risk, costs = self._market(day)
        expected = np.where(np.isfinite(arrays.close[day]), self._expected[day], np.nan)
        if not np.isfinite(expected).any():
            return Decision(np.zeros_like(held))
        largest = limit_trades(arrays.close[day], costs, capital, params.limits)
        stocks = int(np.isfinite(expected).sum())
        typical_trade = min(params.limits.compute_largest_weight(stocks), 2 * params.limits.gross / stocks)
        impact_linear, impact_quadratic = costs.quadratic(capital, np.minimum(largest, typical_trade))
        problem = DayProblem(
            held=held,
            expected=expected,
            loadings=risk.loadings,
            specific=np.sqrt(risk.specific_variance),
            beta=risk.beta,
            linear_cost=ROUND_TRIP * (costs.linear() + impact_linear),
            quadratic_cost=impact_quadratic,
            borrow_cost=costs.borrow,
            largest_trade=largest,
            benchmark=np.isfinite(expected) / stocks * params.limits.gross,
        )
        weights = self._find_optimizer(problem).solve(problem, params.risk_aversion, 1 / params.holding_days)
        if weights is None:
            return Decision(np.zeros_like(held), is_solved=False)
        orders = np.where(np.abs(weights - held) > SMALLEST_ORDER, weights - held, 0.0)
        return Decision(round_to_lots(orders, arrays.close[day] / capital, params.lot_size))

    def _find_optimizer(self, problem: DayProblem) -> PositionOptimizer:
        factors, long_only = problem.loadings.shape[1], self._params.portfolio == "long_only"
        if factors not in self._optimizers:
            sector, limits = self._arrays.sector, self._params.limits
            self._optimizers[factors] = PositionOptimizer(sector, factors, limits, long_only=long_only)
        return self._optimizers[factors]


def limit_trades(close: Floats, costs: DayCosts, capital: float, limits: LimitParams) -> Floats:
    """Compute the largest trade of each stock as a share of the capital.

    It is 0 without a close or a traded value. If no stock has a traded value, volumes do not limit trades.
    """
    largest = np.full(len(close), 2 * limits.gross)
    if limits.volume_share is not None and (costs.daily_value > 0).any():
        daily_value = np.where(costs.daily_value > 0, costs.daily_value, 0.0)
        largest = np.minimum(daily_value * limits.volume_share / capital, largest)
    return np.where(np.isfinite(close), largest, 0.0)


def round_to_lots(orders: Floats, share_weight: Floats, lot_size: int) -> Floats:
    """Round orders to whole lots; ``share_weight`` is the weight of one share."""
    if lot_size == 0:
        return orders
    lot = np.where(np.isfinite(share_weight), lot_size * share_weight, np.inf)
    return np.where(np.isfinite(lot), np.round(orders / lot) * np.where(np.isfinite(lot), lot, 0.0), 0.0)


def make_book_policy(forecasts: Floats, horizon: int) -> Policy:
    """Make the rule of a decile book from forecasts (day, stock).

    The book is the mean of the last ``horizon`` days' portfolios, long the best decile and short the worst. Its orders
    are the changes of this mean; a position whose weight in it becomes 0 is closed.
    """
    values = torch.from_numpy(forecasts)
    portfolios = metrics.long_short_weights(metrics.ranks(values, values.isfinite())).double()
    padded = torch.nn.functional.pad(portfolios, (0, 0, horizon, 0)).cumsum(0)
    books = ((padded[horizon:] - padded[:-horizon]) / horizon).numpy()
    books = np.where(np.abs(books) > SMALLEST_ORDER, books, 0.0)

    def decide(day: int, held: Floats, capital: float) -> Decision:
        """Return the orders of a day."""
        book = books[day]
        weights = held + book - (books[day - 1] if day else 0.0)
        weights = np.where(book > 0, np.maximum(weights, 0.0), np.minimum(weights, 0.0))
        return Decision(np.where(book == 0, 0.0, weights) - held)

    return decide
