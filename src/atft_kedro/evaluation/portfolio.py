"""What trading on forecasts would have earned: long the best, short the worst, in staggered books, with costs."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from .. import metrics
from ..metrics import equal_weights
from ..params import Params
from .daily_statistics import Floats, bootstrap_sharpe, drawdown, or_none, probabilistic_sharpe, sharpe

BASIS_POINT = 1e-4
EMPTY = 1e-12  # what rounding leaves of a weight


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
    capacity: float | None  # traded value of each day's median stock held, on average, where volume is known
    days: int


def hold_by_signal(forecast: Tensor) -> Tensor:
    """Hold each day's stocks by tanh of their standardised forecast: 0 in sum, 1 in absolute values."""
    valid = forecast.isfinite()
    z = metrics.standardise(forecast, valid)
    raw = torch.tanh(z).where(valid & z.isfinite(), 0)
    neutral = (raw - raw.sum(-1, keepdim=True) / valid.sum(-1, keepdim=True).clamp(min=1)).where(valid, 0)
    gross = neutral.abs().sum(-1, keepdim=True)
    return torch.where(gross > 0, neutral / gross, 0)


def hold_best(rank: Tensor, most: int) -> Tensor:
    """Hold the best of each day's ranked stocks in equal parts, those whose place from the top is ``most`` at most.

    Equal forecasts share their average place, and are held or left together. A day that chooses nobody, for all are
    equal or all are held, holds nothing.
    """
    valid = rank.isfinite()
    count = valid.sum(-1, keepdim=True)
    all_same = (2 * rank == count + 1).sum(-1, keepdim=True) == count
    held = (count + 1 - rank <= most) & valid & ~all_same
    return equal_weights(held & (held.sum(-1, keepdim=True) < count))


@dataclass(frozen=True)
class DailyTrades:
    """What a portfolio did on each day."""

    gross: Floats  # return
    turnover: Floats  # sum of absolute changes of the weights
    held: Floats  # sum of absolute weights
    unpriced: Floats  # those of them whose return is unknown
    value: Floats  # traded value of the median stock held; NaN where unknown

    def net(self, cost_bp: float) -> Floats:
        """Take the costs of every trade, on its side, from what was earned."""
        return self.gross - cost_bp * BASIS_POINT * self.turnover


@dataclass
class Trader:
    """Holds each day's book for some days: the mean of the last ``hold`` books, none before the first.

    What is held while its return is unknown, as of a stock that does not trade that day, earns nothing then.
    """

    hold: int
    books: Tensor | None = None  # of the last days
    days: list[tuple[Tensor, ...]] = field(default_factory=list)

    def trade(self, books: Tensor, returns: Tensor, traded_value: Tensor | None) -> None:
        """Go on for some days, with what each stock earns and how much of it is traded."""
        if self.books is None:
            self.books = torch.zeros(self.hold, books.shape[1], dtype=books.dtype)
        known = torch.cat([self.books, books])
        self.books = known[-self.hold :]
        weights = stagger(known, self.hold)  # from the day before on
        held, priced = weights[1:].abs(), returns.isfinite()
        self.days.append(
            (
                (weights[1:] * returns.where(priced, 0)).sum(-1),
                weights.diff(dim=0).abs().sum(-1),
                held.sum(-1),
                held.where(~priced, 0).sum(-1),
                _median_value(held, traded_value),
            )
        )

    def close(self) -> DailyTrades:
        """Look back."""
        return DailyTrades(*(torch.cat(each).numpy() for each in zip(*self.days, strict=True)))


def stagger(books: Tensor, days: int) -> Tensor:
    """Average each ``days`` books in a row (day, stock), from the first that are complete on."""
    total = torch.nn.functional.pad(books, (0, 0, 1, 0)).cumsum(0)
    return (total[days:] - total[:-days]) / days


def _median_value(held: Tensor, traded_value: Tensor | None) -> Tensor:
    if traded_value is None:
        return torch.full((len(held),), torch.nan, dtype=torch.float64)
    return traded_value.where(held > EMPTY, torch.nan).nanmedian(-1).values


def record(trades: DailyTrades, cost_bp: float, hold: int) -> Book:
    """Keep a portfolio's record, each book of which was held for ``hold`` days."""
    gross, net, days = trades.gross, trades.net(cost_bp), len(trades.gross)
    low, high = bootstrap_sharpe(net, block=max(hold, round(days ** (1 / 3))))
    value = trades.value[np.isfinite(trades.value)]
    return Book(
        gross_sharpe=or_none(sharpe(gross)),
        net_sharpe=or_none(sharpe(net)),
        net_sharpe_low=or_none(low),
        net_sharpe_high=or_none(high),
        probability=or_none(probabilistic_sharpe(net)),
        gross_mean=or_none(gross.mean()) if days else None,
        net_mean=or_none(net.mean()) if days else None,
        turnover=or_none(trades.turnover.mean()) if days else None,
        drawdown=or_none(drawdown(net)) if days else None,
        unpriced=or_none(trades.unpriced.sum() / trades.held.sum()) if trades.held.any() else None,
        capacity=or_none(value.mean()) if len(value) else None,
        days=days,
    )
