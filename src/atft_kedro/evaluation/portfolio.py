"""What trading on forecasts would have earned: long the best, short the worst, in staggered books, with costs."""

from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from .. import metrics
from ..params import Params
from .series import Floats, bootstrap_sharpe, drawdown, or_none, probabilistic_sharpe, sharpe

DECILES = 10
BASIS_POINT = 1e-4


class PortfolioParams(Params):
    """How forecasts are traded: what is bought and sold, and what that costs.

    ``decile`` buys the best tenth and sells the worst; ``signal`` holds every stock by tanh of its standardised
    forecast, as the loss ``sharpe`` does. Both are worth nothing in sum and 1 in absolute values. ``top`` stocks are
    held long only, against the mean of all that are forecast. Each trade costs ``cost_bp`` on its side.
    """

    weights: Literal["decile", "signal"] = "decile"
    top: Annotated[int, Field(gt=0)] = 20
    cost_bp: Annotated[float, Field(ge=0)] = 10.0


class Book(Params):
    """A portfolio's record, in returns of a day where not said otherwise."""

    gross_sharpe: float | None  # a year
    net_sharpe: float | None
    net_sharpe_low: float | None  # 95 % of block-bootstrap resamples lie between
    net_sharpe_high: float | None
    probability: float | None  # that the true net Sharpe ratio is above 0
    gross_mean: float | None
    net_mean: float | None
    turnover: float | None  # mean sum of absolute changes of the weights
    drawdown: float | None  # of the net returns, at the most
    unpriced: float | None  # share of what is held whose return is unknown, and counts as 0
    capacity: float | None  # traded value of the median stock held, where volume is known
    days: int


def weigh(forecast: Tensor, how: Literal["decile", "signal"]) -> Tensor:
    """Weigh the stocks of each day (day, stock): 0 in sum, 1 in absolute values; days that say nothing hold nothing."""
    valid = forecast.isfinite()
    if how == "decile":
        group = deciles(forecast, valid)
        longs, shorts = _share_out(group == DECILES - 1), _share_out(group == 0)
        both = (longs.sum(-1, keepdim=True) > 0) & (shorts.sum(-1, keepdim=True) > 0)
        return torch.where(both, (longs - shorts) / 2, 0)
    z = metrics.standardise(forecast, valid)
    raw = torch.tanh(z).where(valid & z.isfinite(), 0)
    neutral = (raw - raw.sum(-1, keepdim=True) / valid.sum(-1, keepdim=True).clamp(min=1)).where(valid, 0)
    gross = neutral.abs().sum(-1, keepdim=True)
    return torch.where(gross > 0, neutral / gross, 0)


def deciles(forecast: Tensor, valid: Tensor) -> Tensor:
    """Sort each day's stocks into tenths from 0 on, equal forecasts together; −1 where unknown or a day has too few.

    A stock on the border of two tenths belongs to the one nearer the middle, so that a reversed forecast has the
    reversed tenths.
    """
    count = valid.sum(-1, keepdim=True)
    twice = (2 * metrics.ranks(forecast.double(), valid) - 1).where(valid, 1).long()  # whole: ranks end in .0 or .5
    up, down = _tenth(twice, count), DECILES - 1 - _tenth(2 * count - twice, count)
    return torch.where(twice < count, up, down).where(valid & (count >= DECILES), -1)


def _tenth(twice: Tensor, count: Tensor) -> Tensor:
    """Say in which tenth of ``count`` places half of ``twice`` lies."""
    return (twice * DECILES).div(2 * count.clamp(min=1), rounding_mode="floor")


def best(forecast: Tensor, count: int) -> Tensor:
    """Hold the best stocks of each day in equal parts, those whose rank is ``count`` at most.

    Equal forecasts share their average rank, and are held or left together; a day of nothing else holds nothing.
    """
    valid = forecast.isfinite()
    differ = metrics.standardise(forecast, valid).isfinite()
    return _share_out((metrics.ranks(-forecast, valid) <= count) & valid & differ)


def _share_out(held: Tensor) -> Tensor:
    """Hold each day's marked stocks in equal parts."""
    return held.double() / held.sum(-1, keepdim=True).clamp(min=1)


def stagger(weights: Tensor, days: int) -> Tensor:
    """Hold each day's book for some days: the mean of the last ``days`` books, none before the first."""
    total = torch.nn.functional.pad(weights, (0, 0, days, 0)).cumsum(0)
    return (total[days:] - total[:-days]) / days


def keep(weights: Tensor, returns: Tensor, cost_bp: float) -> tuple[Floats, Floats, Floats]:
    """Earn each day's returns (day, stock): gross and net returns, and what was traded.

    What is held while its return is unknown, as of a stock that does not trade that day, earns nothing then.
    """
    gross = (weights * returns.where(returns.isfinite(), 0)).sum(-1)
    traded = torch.diff(weights, dim=0, prepend=torch.zeros_like(weights[:1])).abs().sum(-1)
    net = gross - cost_bp * BASIS_POINT * traded
    return gross.numpy(), net.numpy(), traded.numpy()


def record(weights: Tensor, returns: Tensor, traded_value: Tensor | None, params: PortfolioParams, hold: int) -> Book:
    """Keep a portfolio's record; ``weights`` are those held on each day, each book for ``hold`` days."""
    gross, net, traded = keep(weights, returns, params.cost_bp)
    low, high = bootstrap_sharpe(net, block=max(hold, round(len(net) ** (1 / 3))))
    return Book(
        gross_sharpe=or_none(sharpe(gross)),
        net_sharpe=or_none(sharpe(net)),
        net_sharpe_low=or_none(low),
        net_sharpe_high=or_none(high),
        probability=or_none(probabilistic_sharpe(net)),
        gross_mean=or_none(gross.mean()) if len(gross) else None,
        net_mean=or_none(net.mean()) if len(net) else None,
        turnover=or_none(traded.mean()) if len(traded) else None,
        drawdown=or_none(drawdown(net)) if len(net) else None,
        unpriced=_weigh_unpriced(weights, returns),
        capacity=_capacity(weights, traded_value),
        days=len(gross),
    )


def _weigh_unpriced(weights: Tensor, returns: Tensor) -> float | None:
    held = weights.abs()
    return or_none(float(held.where(~returns.isfinite(), 0).sum() / held.sum()))


def _capacity(weights: Tensor, traded_value: Tensor | None) -> float | None:
    if traded_value is None:
        return None
    held = traded_value[(weights != 0) & traded_value.isfinite()]
    return or_none(float(np.median(held.numpy()))) if len(held) else None
