"""Portfolios that trade on forecasts: long the best, short the worst, in staggered books, with costs."""

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
ZERO_WEIGHT = 1e-12  # a weight up to this is a rounding error


class PortfolioParams(Params):
    """How forecasts are traded, and the costs.

    ``decile`` buys the best decile and sells the worst. ``signal`` holds every stock by tanh of its standardised
    forecast, as the loss ``sharpe`` does. Both have weights that sum to 0 and absolute weights that sum to 1. The
    long-only portfolio holds the ``top`` stocks, less the mean of all forecast stocks. A trade costs ``cost_bp`` basis
    points of its value.
    """

    weights: Literal["decile", "signal"]
    top: Annotated[int, Field(gt=0)]
    cost_bp: Annotated[float, Field(ge=0)]


class PortfolioScore(Params):
    """The scores of a portfolio; returns are daily, Sharpe ratios annual."""

    gross_sharpe: float | None
    net_sharpe: float | None
    net_sharpe_low: float | None  # 95 % interval of a block bootstrap
    net_sharpe_high: float | None
    probability: float | None  # that the true net Sharpe ratio is above 0
    gross_mean: float | None
    net_mean: float | None
    turnover: float | None  # mean sum of absolute changes of the weights
    drawdown: float | None  # largest, of the net returns
    unpriced: float | None  # share of holdings whose return is unknown and counts as 0
    capacity: float | None  # mean traded value of each day's median stock held, if volume is known
    days: int


def hold_by_signal(forecast: Tensor) -> Tensor:
    """Weight stocks by tanh of their standardised forecast: sum 0, absolute sum 1."""
    valid = forecast.isfinite()
    z = metrics.standardise(forecast, valid)
    raw = torch.tanh(z).where(valid & z.isfinite(), 0)
    neutral = (raw - raw.sum(-1, keepdim=True) / valid.sum(-1, keepdim=True).clamp(min=1)).where(valid, 0)
    gross = neutral.abs().sum(-1, keepdim=True)
    return torch.where(gross > 0, neutral / gross, 0)


def hold_top(rank: Tensor, most: int) -> Tensor:
    """Hold the ``most`` best ranked stocks of each day with equal weights.

    Tied stocks have their average rank and are held or omitted together. A day holds nothing if all stocks are tied or
    all would be held.
    """
    valid = rank.isfinite()
    count = valid.sum(-1, keepdim=True)
    is_all_tied = (2 * rank == count + 1).sum(-1, keepdim=True) == count
    held = (count + 1 - rank <= most) & valid & ~is_all_tied
    return equal_weights(held & (held.sum(-1, keepdim=True) < count))


@dataclass(frozen=True)
class DailyTrades:
    """The daily record (day,) of a portfolio."""

    gross: Floats  # return before costs
    turnover: Floats  # sum of absolute changes of the weights
    held: Floats  # sum of absolute weights
    unpriced: Floats  # sum of absolute weights of stocks with an unknown return
    value: Floats  # traded value of the median stock held; NaN where unknown

    def net(self, cost_bp: float) -> Floats:
        """Subtract the costs of all trades from the gross returns."""
        return self.gross - cost_bp * BASIS_POINT * self.turnover


@dataclass
class StaggeredPortfolio:
    """A portfolio that holds the mean of the last ``hold`` daily books, starting from none.

    A stock with an unknown return, such as one that does not trade on a day, contributes 0 to that day's return.
    """

    hold: int
    last_books: Tensor | None = None  # (hold, stock)
    records: list[tuple[Tensor, ...]] = field(default_factory=list)

    def trade(self, books: Tensor, returns: Tensor, traded_value: Tensor | None) -> None:
        """Add consecutive days (day, stock): their books, the stocks' returns and traded values."""
        if self.last_books is None:
            self.last_books = torch.zeros(self.hold, books.shape[1], dtype=books.dtype)
        all_books = torch.cat([self.last_books, books])
        self.last_books = all_books[-self.hold :]
        weights = average_books(all_books, self.hold)  # starts one day earlier than returns
        held, is_priced = weights[1:].abs(), returns.isfinite()
        self.records.append(
            (
                (weights[1:] * returns.where(is_priced, 0)).sum(-1),
                weights.diff(dim=0).abs().sum(-1),
                held.sum(-1),
                held.where(~is_priced, 0).sum(-1),
                _median_value(held, traded_value),
            )
        )

    def trades(self) -> DailyTrades:
        """Return the record of all days."""
        return DailyTrades(*(torch.cat(column).numpy() for column in zip(*self.records, strict=True)))


def average_books(books: Tensor, days: int) -> Tensor:
    """Average each ``days`` consecutive books (day, stock), from the first complete window on."""
    total = torch.nn.functional.pad(books, (0, 0, 1, 0)).cumsum(0)
    return (total[days:] - total[:-days]) / days


def _median_value(held: Tensor, traded_value: Tensor | None) -> Tensor:
    if traded_value is None:
        return torch.full((len(held),), torch.nan, dtype=torch.float64)
    return traded_value.where(held > ZERO_WEIGHT, torch.nan).nanmedian(-1).values


def score_portfolio(trades: DailyTrades, cost_bp: float, hold: int) -> PortfolioScore:
    """Compute the scores of a portfolio whose books are held for ``hold`` days."""
    gross, net, days = trades.gross, trades.net(cost_bp), len(trades.gross)
    low, high = bootstrap_sharpe(net, block=max(hold, round(days ** (1 / 3))))
    value = trades.value[np.isfinite(trades.value)]
    return PortfolioScore(
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
