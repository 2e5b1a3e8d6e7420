"""Costs of trades for a stated capital: half-spread, market impact, commission and borrow fee."""

import math
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ..evaluation.daily_statistics import Floats
from ..metrics import TRADING_DAYS
from ..params import InputError, Params
from .spread import FEWEST_PAIRS, SpreadEstimates, estimate_spreads

BUCKETS = 10  # liquidity buckets of the spread estimate
BUCKET_STOCKS = 20  # fewest stocks of such a bucket
BP = 1e-4
SMALLEST_TRADE = 1e-6  # share of the equity

NotNegative = Annotated[float, Field(ge=0)]


class CostParams(Params):
    """What trades and short positions cost.

    ``flat_bp``, if set, is the only cost. Otherwise a trade costs its half-spread, its impact and the commission:
    ``half_spread_bp`` has one value for each liquidity bucket of equally many stocks, the most liquid first; without
    it the half-spread is estimated from the last ``spread_days`` days and is at least ``min_half_spread_bp``. The
    impact is ``impact`` x daily volatility x the square root of traded value / daily value, where the daily value is
    the median of the last ``volume_days`` days. Short positions pay ``borrow_bp`` a year.
    """

    flat_bp: NotNegative | None
    half_spread_bp: Annotated[tuple[NotNegative, ...], Field(min_length=1)] | None
    min_half_spread_bp: NotNegative
    spread_days: Annotated[int, Field(gt=FEWEST_PAIRS)]
    impact: NotNegative
    volume_days: Annotated[int, Field(gt=0)]
    borrow_bp: NotNegative
    commission_bp: NotNegative


@dataclass(frozen=True)
class DayCosts:
    """The costs of one day's trades; arrays are (stock,)."""

    half_spread: Floats  # share of the traded value
    impact: Floats  # impact of a trade of one daily value, as a share of it
    daily_value: Floats  # currency; 0 where unknown
    commission: float  # share of the traded value
    borrow: float  # share of the short value per day

    def charge(self, trades: Floats, equity: float) -> dict[str, Floats]:
        """Compute the cost of each trade (stock,) by kind; all are shares of the equity."""
        traded = np.abs(trades)
        impact = self._impact_rate(equity) * traded**1.5
        return {"spread": self.half_spread * traded, "impact": impact, "commission": self.commission * traded}

    def linear(self) -> Floats:
        """Compute the cost per unit of traded weight: half-spread and commission."""
        return self.half_spread + self.commission

    def quadratic(self, equity: float, scale: Floats) -> tuple[Floats, Floats]:
        """Fit ``a |x| + b x²`` to the impact cost of trades of weight 0 to ``scale`` (stock,).

        The least-squares fit of x^1.5 on [0, 1] is 8/21 x + 40/63 x². A smaller scale than 1e-6 counts as 1e-6.
        """
        root = np.sqrt(np.maximum(scale, SMALLEST_TRADE))
        rate = self._impact_rate(equity)
        return 8 / 21 * rate * root, 40 / 63 * rate / root

    def _impact_rate(self, equity: float) -> Floats:
        """Compute the factor of |weight|^1.5 in the impact cost.

        A stock with an unknown daily value has the largest impact and the smallest daily value of the day.
        """
        known = self.daily_value > 0
        worst = self.impact.max() / np.sqrt(self.daily_value[known].min(initial=np.inf))
        rate = self.impact / np.sqrt(np.where(known, self.daily_value, np.inf))
        return math.sqrt(equity) * np.where(known, rate, worst)


@dataclass(frozen=True)
class CostHistory:
    """What the costs of every day are made from; arrays are (day, stock)."""

    traded_value: Floats
    spreads: SpreadEstimates | None  # None where the parameters state the spread
    params: CostParams

    def make_day_costs(self, day: int, volatility: Floats) -> DayCosts:
        """Make the costs of trades after a day from that day and earlier ones.

        ``volatility`` (stock,) is daily. A day without traded value counts as zero in the median.
        """
        params, start = self.params, max(day + 1 - self.params.volume_days, 0)
        traded_value = self.traded_value[start : day + 1]
        daily_value = np.median(np.where(np.isfinite(traded_value), traded_value, 0.0), axis=0)
        if params.flat_bp is not None:
            zeros = np.zeros(len(daily_value))
            return DayCosts(zeros, zeros, daily_value, params.flat_bp * BP, 0.0)
        if params.impact > 0 and not (daily_value > 0).any():
            raise InputError(
                "The impact of trades needs traded values, and no stock has any: set positions.costs.impact to 0 or "
                "positions.costs.flat_bp to a number."
            )
        return DayCosts(
            half_spread=self._half_spread(day, daily_value),
            impact=params.impact * volatility,
            daily_value=daily_value,
            commission=params.commission_bp * BP,
            borrow=params.borrow_bp * BP / TRADING_DAYS,
        )

    def _half_spread(self, day: int, daily_value: Floats) -> Floats:
        if self.spreads is None:
            stated = np.array(self.params.half_spread_bp, float) * BP
            return stated[assign_buckets(daily_value, len(stated))]
        buckets = int(np.clip((daily_value > 0).sum() // BUCKET_STOCKS, 1, BUCKETS))
        estimate = self.spreads.pool(day, assign_buckets(daily_value, buckets))
        return np.fmax(estimate, self.params.min_half_spread_bp * BP)


def estimate_costs(high: Floats, low: Floats, close: Floats, traded_value: Floats, params: CostParams) -> CostHistory:
    """Estimate the spreads of all days at once.

    Arrays are (day, stock), with NaN where a stock has no row.
    """
    is_stated = params.flat_bp is not None or params.half_spread_bp is not None
    spreads = None if is_stated else estimate_spreads(high, low, close, params.spread_days)
    return CostHistory(traded_value, spreads, params)


def assign_buckets(daily_value: Floats, buckets: int) -> NDArray[np.int64]:
    """Assign stocks, the last axis, to liquidity buckets of equal size.

    Bucket 0 is the most liquid. Stocks with an unknown daily value are in the last bucket.
    """
    known = daily_value > 0
    rank = np.argsort(np.argsort(-np.where(known, daily_value, 0), kind="stable"), kind="stable")
    return np.where(known, rank * buckets // np.maximum(known.sum(-1, keepdims=True), 1), buckets - 1)
