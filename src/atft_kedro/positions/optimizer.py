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
NO_LIMIT = 1e3  # larger than any sum of weights
SOLVED = ("optimal", "optimal_inaccurate")


class LimitParams(Params):
    """Limits of the positions as shares of the equity; null: no limit.

    ``name_multiple`` limits the weight of a stock as a multiple of the mean weight, gross / stocks with a forecast.
    ``volume_share`` limits a day's trade in a stock as a share of its usual traded value.
    """

    gross: Positive
    net: NotNegative | None
    name: Positive | None
    name_multiple: Annotated[float, Field(ge=2)] | None
    sector: NotNegative | None
    beta: NotNegative | None
    turnover: Positive | None
    volume_share: Positive | None

    def compute_largest_weight(self, stocks: int) -> float:
        """Compute the largest weight of one of the stocks with a forecast."""
        stocks = max(stocks, 1)
        return min(self.gross, self.name or self.gross, (self.name_multiple or stocks) * self.gross / stocks)

    @model_validator(mode="after")
    def _check_limits(self) -> Self:
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


@dataclass(frozen=True)
class Bounds:
    """The limits of a day: weights (stock,), and the largest size of sums of weights."""

    lower: Floats
    upper: Floats
    gross: float
    net: float
    beta: float
    sector: Floats  # (sector,)

    def include(self, day: DayProblem, members: Floats, *, long_only: bool) -> "Bounds":
        """Widen the bounds until they contain the held weights, so that no trade is a solution."""
        active = day.held - day.benchmark if long_only else day.held
        return Bounds(
            lower=np.minimum(self.lower, day.held),
            upper=np.maximum(self.upper, day.held),
            gross=max(self.gross, float(np.abs(day.held).sum())),
            net=max(self.net, abs(float(day.held.sum()))),
            beta=max(self.beta, abs(float(day.beta @ active))),
            sector=np.maximum(self.sector, np.abs(members @ active)),
        )


def bound_weights(day: DayProblem, limits: LimitParams, sectors: int, *, long_only: bool) -> Bounds:
    """Compute the bounds of a day from the limits.

    Where the largest trade cannot bring a weight or the gross exposure within its limit, the bound is what it reaches.
    """
    can_open = np.isfinite(day.expected)
    largest = limits.compute_largest_weight(int(can_open.sum()))
    upper = np.where(can_open, largest, np.clip(day.held, 0, largest))
    lower = np.where(can_open, 0 if long_only else -largest, np.clip(day.held, -largest, 0))
    smallest_gross = float(np.maximum(np.abs(day.held) - day.largest_trade, 0).sum())
    net, beta, sector = (NO_LIMIT if limit is None else limit for limit in (limits.net, limits.beta, limits.sector))
    return Bounds(
        lower=np.minimum(lower, day.held + day.largest_trade),
        upper=np.maximum(upper, day.held - day.largest_trade),
        gross=max(limits.gross, smallest_gross),
        net=NO_LIMIT if long_only else net,
        beta=beta,
        sector=np.full(sectors, sector),
    )


class PositionOptimizer:
    """Maximise expected return − risk − costs, one day after the other.

    The objective is ``w'a − γ/2 (w − b)'V(w − b) − κ c(w − h) − borrow(w)`` for new weights ``w``, held ones ``h`` and
    a benchmark ``b``, which is 0 for a long-short portfolio. ``κ`` is the share of a trade's costs that one day bears:
    1 / holding days, because ``a`` is the expected return of one day. cvxpy compiles the problem once; each day only
    sets its parameters.  Clarabel solves it: at 1,000
    stocks it took a fourth of OSQP's time.
    """

    def __init__(self, sector: NDArray[np.int64], factors: int, limits: LimitParams, *, long_only: bool) -> None:
        try:
            import cvxpy as cp
        except ImportError as error:
            raise InputError("Positions need cvxpy: pip install 'atft-kedro[positions]'.") from error
        stocks = len(sector)
        self.limits, self.long_only, self._error = limits, long_only, cp.error.SolverError
        self._members = (sector == np.unique(sector[sector != NO_SECTOR])[:, None]).astype(float)  # (sector, stock)
        self._parameters = {
            **{name: cp.Parameter(stocks) for name in ("held", "expected", "lower", "upper", "benchmark")},
            **{name: cp.Parameter(stocks, nonneg=True) for name in ("linear", "quadratic", "largest", "specific")},
            "beta_of_stock": cp.Parameter(stocks),
            "loadings": cp.Parameter((factors, stocks)),
            **{name: cp.Parameter(nonneg=True) for name in ("gross", "net", "beta", "borrow")},
            "sector": cp.Parameter(max(len(self._members), 1), nonneg=True),
        }
        self._weights, self._size = cp.Variable(stocks), cp.Variable(stocks, nonneg=True)
        self._trade, self._traded = cp.Variable(stocks), cp.Variable(stocks, nonneg=True)
        self._active = cp.Variable(stocks) if long_only else self._weights
        self._problem = cp.Problem(cp.Maximize(self._objective()), self._constraints())

    def _objective(self) -> Any:
        import cvxpy as cp

        parameters = self._parameters
        risk = cp.sum_squares(parameters["loadings"] @ self._active)
        risk += cp.sum_squares(cp.multiply(parameters["specific"], self._active))
        costs = parameters["linear"] @ self._traded + cp.sum_squares(cp.multiply(parameters["quadratic"], self._trade))
        short = cp.sum(self._size - self._weights) / 2
        return parameters["expected"] @ self._weights - risk - costs - parameters["borrow"] * short

    def _constraints(self) -> list[Any]:
        import cvxpy as cp

        parameters, weights, trade = self._parameters, self._weights, self._trade
        constraints = [trade == weights - parameters["held"], -self._traded <= trade, trade <= self._traded]
        constraints += [self._traded <= parameters["largest"]]
        constraints += [parameters["lower"] <= weights, weights <= parameters["upper"]]
        constraints += [-self._size <= weights, weights <= self._size, cp.sum(self._size) <= parameters["gross"]]
        if self.long_only:
            constraints.append(self._active == weights - parameters["benchmark"])
        sums = {"beta": parameters["beta_of_stock"] @ self._active, "net": cp.sum(weights)}
        if len(self._members):
            sums["sector"] = self._members @ self._active
        for name, value in sums.items():
            constraints += [-parameters[name] <= value, value <= parameters[name]]
        if self.limits.turnover is not None:
            constraints.append(cp.sum(self._traded) <= self.limits.turnover)
        return constraints

    def solve(self, day: DayProblem, risk_aversion: float, cost_share: float) -> Floats | None:
        """Return the new weights (stock,); None if the day's problem cannot be solved.

        If the limits cannot be kept on this day, they are widened to the values of the held weights.
        """
        risk = np.sqrt(SCALE * risk_aversion / 2)
        self._set(
            held=day.held,
            expected=SCALE * np.where(np.isnan(day.expected), 0.0, day.expected),
            loadings=risk * day.loadings.T,
            specific=risk * day.specific,
            linear=SCALE * cost_share * day.linear_cost,
            quadratic=np.sqrt(SCALE * cost_share * day.quadratic_cost),
            borrow=SCALE * day.borrow_cost,
            largest=day.largest_trade,
            beta_of_stock=day.beta,
            benchmark=day.benchmark,
        )
        bounds = bound_weights(day, self.limits, len(self._members), long_only=self.long_only)
        weights = self._solve_within(bounds)
        if weights is None:
            weights = self._solve_within(bounds.include(day, self._members, long_only=self.long_only))
        return weights

    def _solve_within(self, bounds: Bounds) -> Floats | None:
        sector = bounds.sector if len(bounds.sector) else np.zeros(1)
        self._set(**{**vars(bounds), "sector": sector})
        try:
            self._problem.solve(solver="CLARABEL")
        except self._error:
            return None
        return np.asarray(self._weights.value, dtype=np.float64) if self._problem.status in SOLVED else None

    def _set(self, **values: Any) -> None:
        """Set parameters of the problem by name."""
        for name, value in values.items():
            self._parameters[name].value = value
