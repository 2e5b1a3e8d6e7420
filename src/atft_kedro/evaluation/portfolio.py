"""Portfolios formed from forecasts: each day's weights are held for the horizon, and trades have costs."""

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from .. import metrics
from ..metrics import equal_weights
from ..params import Params
from .daily_statistics import (
    Floats,
    bootstrap_sharpe,
    drawdown,
    finite_or_none,
    mean_or_none,
    probabilistic_sharpe,
    sharpe,
)

BASIS_POINT = 1e-4
ZERO_WEIGHT = 1e-12  # a weight up to this is a rounding error


class PortfolioParams(Params):
    """How forecasts are traded, and the costs.

    ``decile`` buys the best decile and sells the worst. ``signal`` weights every stock by tanh of its standardised
    forecast, as the loss ``sharpe`` does. With both, a day's weights sum to 0 and its absolute weights to 1. The
    long-only portfolio holds the ``top`` stocks; its return is the excess over the mean return of all forecast stocks
    with a known return. Each purchase and each sale costs ``cost_bp`` basis points of its value.
    """

    weights: Literal["decile", "signal"]
    top: Annotated[int, Field(gt=0)]
    cost_bp: Annotated[float, Field(ge=0)]


class ReturnScore(Params):
    """The scores of a portfolio's returns; means are daily, Sharpe ratios are annualised."""

    gross_sharpe: float | None
    net_sharpe: float | None
    net_sharpe_low: float | None  # 95 % interval of a block bootstrap
    net_sharpe_high: float | None
    gross_mean: float | None
    net_mean: float | None
    turnover: float | None  # mean sum of absolute trades
    drawdown: float | None  # largest drawdown of the net returns
    days: int


class PortfolioScore(ReturnScore):
    """The scores of a portfolio whose books are held for a horizon."""

    probability_above_zero: float | None  # of the true net Sharpe ratio
    unknown_returns: float | None  # share of holdings whose return is unknown and counts as 0
    median_traded_value: float | None  # of the stocks held, mean over days; None if volume is unknown


def weight_by_signal(forecast: Tensor) -> Tensor:
    """Weight stocks by tanh of their standardised forecast: sum 0, absolute sum 1."""
    valid = forecast.isfinite()
    z = metrics.standardise(forecast, valid)
    raw = torch.tanh(z).where(valid & z.isfinite(), 0)
    centred = (raw - raw.sum(-1, keepdim=True) / valid.sum(-1, keepdim=True).clamp(min=1)).where(valid, 0)
    absolute_sum = centred.abs().sum(-1, keepdim=True)
    return torch.where(absolute_sum > 0, centred / absolute_sum, 0)


def weight_top(rank: Tensor, top: int) -> Tensor:
    """Weight the ``top`` stocks of each day equally, and all others by 0.

    Tied stocks have their average rank and are held or omitted together. All weights of a day are 0 if all its stocks
    are tied or all would be held.
    """
    valid = rank.isfinite()
    count = valid.sum(-1, keepdim=True)
    is_all_tied = (2 * rank == count + 1).sum(-1, keepdim=True) == count
    is_held = (count + 1 - rank <= top) & valid & ~is_all_tied
    return equal_weights(is_held & (is_held.sum(-1, keepdim=True) < count))


@dataclass(frozen=True)
class DailyTrades:
    """The returns and trades (day,) of a portfolio."""

    gross: Floats  # return before costs
    turnover: Floats  # sum of absolute changes of the weights
    exposure: Floats  # sum of absolute weights
    unknown_exposure: Floats  # sum of absolute weights of stocks with an unknown return
    median_traded_value: Floats  # of the stocks held; NaN where unknown

    def net(self, cost_bp: float) -> Floats:
        """Subtract the costs of all trades from the gross returns."""
        return self.gross - cost_bp * BASIS_POINT * self.turnover


@dataclass
class StaggeredPortfolio:
    """A portfolio that holds the mean of the last ``holding_days`` books; it starts empty.

    A book is the target weights of one day. A stock with an unknown return, such as one that is not traded on a day,
    contributes 0 to the return of that day.
    """

    holding_days: int
    last_books: Tensor | None = None  # (holding_days, stock)
    blocks: list[tuple[Tensor, ...]] = field(default_factory=list)  # values in the order of DailyTrades' fields

    def add_days(self, books: Tensor, returns: Tensor, traded_value: Tensor | None) -> None:
        """Add consecutive days (day, stock): their books, the stocks' returns and traded values."""
        if self.last_books is None:
            self.last_books = torch.zeros(self.holding_days, books.shape[1], dtype=books.dtype)
        all_books = torch.cat([self.last_books, books])
        self.last_books = all_books[-self.holding_days :]
        weights = average_books(all_books, self.holding_days)  # the first row is the day before the first return
        absolute_weights, is_known = weights[1:].abs(), returns.isfinite()
        self.blocks.append(
            (
                (weights[1:] * returns.where(is_known, 0)).sum(-1),
                weights.diff(dim=0).abs().sum(-1),
                absolute_weights.sum(-1),
                absolute_weights.where(~is_known, 0).sum(-1),
                _median_traded_value(absolute_weights, traded_value),
            )
        )

    def collect_trades(self) -> DailyTrades:
        """Return the returns and trades of all days added."""
        return DailyTrades(*(torch.cat(column).numpy() for column in zip(*self.blocks, strict=True)))


def average_books(books: Tensor, days: int) -> Tensor:
    """Average every ``days`` consecutive books (day, stock), from the first complete window on."""
    total = torch.nn.functional.pad(books, (0, 0, 1, 0)).cumsum(0)
    return (total[days:] - total[:-days]) / days


def _median_traded_value(absolute_weights: Tensor, traded_value: Tensor | None) -> Tensor:
    if traded_value is None:
        return torch.full((len(absolute_weights),), torch.nan, dtype=torch.float64)
    return traded_value.where(absolute_weights > ZERO_WEIGHT, torch.nan).nanmedian(-1).values


def score_portfolio(trades: DailyTrades, cost_bp: float, holding_days: int) -> PortfolioScore:
    """Compute the scores of a portfolio whose books are held for some days."""
    net = trades.net(cost_bp)
    return PortfolioScore(
        **score_returns(trades.gross, net, trades.turnover, holding_days),
        probability_above_zero=finite_or_none(probabilistic_sharpe(net)),
        unknown_returns=(
            finite_or_none(trades.unknown_exposure.sum() / trades.exposure.sum()) if trades.exposure.any() else None
        ),
        median_traded_value=mean_or_none(trades.median_traded_value),
    )


def score_returns(gross: Floats, net: Floats, turnover: Floats, holding_days: int) -> dict[str, Any]:
    """Compute the fields of `ReturnScore` from daily values; positions are held for some days."""
    days = len(net)
    block = max(holding_days, round(days ** (1 / 3)))  # days; n^(1/3) is the usual order of a bootstrap block
    low, high = bootstrap_sharpe(net, block=block)
    ratios = {"gross_sharpe": sharpe(gross), "net_sharpe": sharpe(net), "net_sharpe_low": low, "net_sharpe_high": high}
    means = {"gross_mean": gross, "net_mean": net, "turnover": turnover}
    return {
        **{name: finite_or_none(value) for name, value in ratios.items()},
        **{name: finite_or_none(values.mean()) if days else None for name, values in means.items()},
        "drawdown": finite_or_none(drawdown(net)) if days else None,
        "days": days,
    }
