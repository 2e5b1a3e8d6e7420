"""The positions of a day: a convex problem of expected return, risk and costs, from the positions held before."""

from dataclasses import dataclass
from typing import Annotated, Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from ..params import InputError, Params
from .price_arrays import NO_SECTOR, Floats

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]

SCALE = 1e4  # the objective is in basis points: solvers expect numbers near 1
SOLVED = ("optimal", "optimal_inaccurate")


class LimitParams(Params):
    """Limits of the positions as shares of the equity; null: no limit.

    ``volume_share`` limits a day's trade in a stock as a share of its usual traded value.
    """

    gross: Positive
    net: NotNegative | None
    name: Positive | None
    sector: NotNegative | None
    beta: NotNegative | None
    turnover: Positive | None
    volume_share: Positive | None

    @property
    def largest_weight(self) -> float:
        """Return the largest weight of a stock."""
        return self.name or self.gross

    @model_validator(mode="after")
    def _agree(self) -> Self:
        for name in ("net", "name", "sector"):
            value = getattr(self, name)
            if value is not None and value > self.gross:
                raise ValueError(
                    f"limits.{name} = {value:g} contradicts limits.gross = {self.gross:g}: {name} cannot exceed gross"
                )
        return self


@dataclass(frozen=True)
class DayProblem:
    """The inputs of a day's problem: arrays (stock,), with weights as shares of the equity."""

    held: Floats  # weights before the day's trades
    expected: Floats  # expected return per day held; NaN: no forecast, the position can only be reduced
    loadings: Floats  # (stock, factor)
    specific: Floats  # standard deviations
    beta: Floats
    linear_cost: Floats  # per traded weight
    quadratic_cost: Floats  # per squared traded weight
    borrow_cost: float  # per day and short weight
    largest_trade: Floats  # 0 for a stock that cannot be traded
    benchmark: Floats  # weights from which risk, beta and sectors are measured in a long-only portfolio


def bound_weights(day: DayProblem, limits: LimitParams, *, long_only: bool) -> tuple[Floats, Floats, float]:
    """Compute the lowest and highest weight of each stock, and the largest gross exposure.

    Where a limit cannot be reached by the largest trade, it becomes the nearest value that can be reached.
    """
    largest = limits.largest_weight
    can_open = np.isfinite(day.expected)
    upper = np.where(can_open, largest, np.clip(day.held, 0, largest))
    lower = np.where(can_open, 0 if long_only else -largest, np.clip(day.held, -largest, 0))
    upper = np.maximum(upper, day.held - day.largest_trade)
    lower = np.minimum(lower, day.held + day.largest_trade)
    smallest_gross = np.maximum(np.abs(day.held) - day.largest_trade, 0).sum()
    return lower, upper, max(limits.gross, float(smallest_gross))


class PositionOptimizer:
    """Maximise expected return − risk − costs, one day after the other.

    The objective is ``w'a − γ/2 (w − b)'V(w − b) − κ c(w − h) − borrow(w)`` for new weights ``w``, held ones ``h`` and
    a benchmark ``b``, which is 0 for a long-short portfolio. ``κ`` is the share of a trade's costs that one day bears:
    1 / holding days, because ``a`` is the expected return of one day. cvxpy compiles the problem once; each day only
    sets its parameters. Of the solvers that cvxpy brings, Clarabel was the fastest at 1,000 stocks (docs/positions.md).
    """

    def __init__(self, sector: NDArray[np.int64], factors: int, limits: LimitParams, *, long_only: bool) -> None:
        try:
            import cvxpy as cp
        except ImportError as error:
            raise InputError("Positions need cvxpy: pip install 'atft-kedro[positions]'.") from error
        stocks = len(sector)
        self.limits, self.long_only, self._error = limits, long_only, cp.error.SolverError
        self._parameters = {
            **{name: cp.Parameter(stocks) for name in ("held", "expected", "beta", "lower", "upper", "benchmark")},
            **{name: cp.Parameter(stocks, nonneg=True) for name in ("linear", "quadratic", "largest", "specific")},
            "loadings": cp.Parameter((factors, stocks)),
            **{name: cp.Parameter(nonneg=True) for name in ("gross", "borrow")},
        }
        self._weights, self._size = cp.Variable(stocks), cp.Variable(stocks, nonneg=True)
        self._trade, self._traded = cp.Variable(stocks), cp.Variable(stocks, nonneg=True)
        self._active = cp.Variable(stocks) if long_only else self._weights
        self._problem = cp.Problem(cp.Maximize(self._objective()), self._constraints(sector))

    def _objective(self) -> Any:
        import cvxpy as cp

        given = self._parameters
        risk = cp.sum_squares(given["loadings"] @ self._active)
        risk += cp.sum_squares(cp.multiply(given["specific"], self._active))
        costs = given["linear"] @ self._traded + cp.sum_squares(cp.multiply(given["quadratic"], self._trade))
        short = cp.sum(self._size - self._weights) / 2
        return given["expected"] @ self._weights - risk - costs - given["borrow"] * short

    def _constraints(self, sector: NDArray[np.int64]) -> list[Any]:
        import cvxpy as cp

        given, limits, weights, trade = self._parameters, self.limits, self._weights, self._trade
        constraints = [trade == weights - given["held"], -self._traded <= trade, trade <= self._traded]
        constraints += [self._traded <= given["largest"], given["lower"] <= weights, weights <= given["upper"]]
        constraints += [-self._size <= weights, weights <= self._size, cp.sum(self._size) <= given["gross"]]
        if self.long_only:
            constraints.append(self._active == weights - given["benchmark"])
        sums = [(limits.beta, given["beta"] @ self._active)]
        numbers = np.unique(sector[sector != NO_SECTOR])
        if len(numbers):
            sums.append((limits.sector, (sector == numbers[:, None]).astype(float) @ self._active))
        if not self.long_only:
            sums.append((limits.net, cp.sum(weights)))
        for limit, value in sums:
            constraints += [] if limit is None else [-limit <= value, value <= limit]
        if limits.turnover is not None:
            constraints.append(cp.sum(self._traded) <= limits.turnover)
        return constraints

    def solve(self, day: DayProblem, risk_aversion: float, cost_share: float) -> Floats | None:
        """Return the new weights (stock,); None if the day's problem cannot be solved."""
        lower, upper, gross = bound_weights(day, self.limits, long_only=self.long_only)
        risk = np.sqrt(SCALE * risk_aversion / 2)
        values = {
            "held": day.held,
            "expected": SCALE * np.nan_to_num(day.expected),
            "loadings": risk * day.loadings.T,
            "specific": risk * day.specific,
            "linear": SCALE * cost_share * day.linear_cost,
            "quadratic": np.sqrt(SCALE * cost_share * day.quadratic_cost),
            "borrow": SCALE * day.borrow_cost,
            "largest": day.largest_trade,
            "beta": day.beta,
            "benchmark": day.benchmark,
            "lower": lower,
            "upper": upper,
            "gross": gross,
        }
        for name, value in values.items():
            self._parameters[name].value = value
        try:
            self._problem.solve(solver="CLARABEL")
        except self._error:
            return None
        return np.asarray(self._weights.value, dtype=np.float64) if self._problem.status in SOLVED else None
