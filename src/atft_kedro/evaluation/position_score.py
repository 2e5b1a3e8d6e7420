"""Scores of optimised positions, and of decile books at the same costs."""

from collections.abc import Mapping
from typing import Literal

import polars as pl

from ..params import Params
from ..schema import DATE, HorizonKey
from .daily_statistics import Mean, average, bootstrap_sharpe, drawdown, finite_or_none, mean_or_none, sharpe

PORTFOLIO, OPTIMISED, BOOK = "portfolio", "optimised", "book "  # a decile book's horizon follows
GROSS, NET, TURNOVER, FACTOR, SPECIFIC = "gross", "net", "turnover", "factor", "specific"
GROSS_EXPOSURE, NET_EXPOSURE = "gross_exposure", "net_exposure"
DELISTED, UNSOLVED = "delisted", "unsolved"
COST_PREFIX = "cost_"
COST_KINDS = ("spread", "impact", "commission", "borrow")
COST_COLUMNS = tuple(COST_PREFIX + kind for kind in COST_KINDS)
POSITION_DAYS_SCHEMA = pl.Schema(
    {
        PORTFOLIO: pl.String,
        DATE: pl.Date,
        **dict.fromkeys((GROSS, NET, TURNOVER, GROSS_EXPOSURE, NET_EXPOSURE), pl.Float64),
        **dict.fromkeys((*COST_COLUMNS, FACTOR, SPECIFIC), pl.Float64),
        DELISTED: pl.Int64,
        UNSOLVED: pl.Int64,
    }
)

PositionEntry = Literal["close", "next_open", "next_close"]


class PositionPortfolioScore(Params):
    """The score of one portfolio.

    Returns and costs are daily means as shares of the equity; Sharpe ratios are annualised.
    """

    gross_sharpe: float | None
    net_sharpe: float | None
    net_sharpe_low: float | None  # 95 % interval of a block bootstrap
    net_sharpe_high: float | None
    gross_mean: float | None
    net_mean: float | None
    turnover: float | None  # mean sum of absolute trades
    drawdown: float | None  # largest drawdown of the net returns
    gross_exposure: float | None  # mean sum of absolute weights
    net_exposure: float | None  # mean sum of weights
    costs: dict[str, float]  # mean per day by kind
    factor_mean: float | None  # mean gross return that the risk model's factors explain
    specific_mean: float | None  # mean of the rest: what the forecasts of single stocks earn
    delisted: int  # positions held when their stock disappeared
    unsolved: int  # days whose problem could not be solved
    days: int


class PositionScore(Params):
    """The scores of optimised positions and of decile books on the same days at the same costs."""

    entry: PositionEntry
    capital: float
    first: str
    last: str
    optimised: PositionPortfolioScore
    books: dict[HorizonKey, PositionPortfolioScore]
    best_book: HorizonKey | None  # the book with the highest net Sharpe ratio
    difference: Mean | None  # daily net return of the optimised positions minus that of the best book
    sharpe_ratio: float | None  # net Sharpe of the optimised positions / best book; None unless the latter is positive
    capacity: dict[str, float | None]  # net Sharpe ratio of the optimised positions by capital
    delisting_note: str  # what the holders of delisted stocks earn
    difference_at_equal_risk: Mean | None = None  # with the book scaled to the same standard deviation

    @property
    def portfolios(self) -> dict[str, PositionPortfolioScore]:
        """Map the name of each portfolio to its score, the optimised one first."""
        return {OPTIMISED: self.optimised} | {f"{BOOK}{horizon}": book for horizon, book in self.books.items()}


class PositionResult(Params):
    """The score of a run's positions; None where they cannot be made."""

    score: PositionScore | None = None


def score_position_days(daily: pl.DataFrame, holding_days: int = 1) -> PositionPortfolioScore:
    """Score the days of one portfolio whose positions are held for about ``holding_days``."""
    gross, net = (daily[name].to_numpy().astype(float) for name in (GROSS, NET))
    block = max(holding_days, round(len(net) ** (1 / 3)))
    low, high = bootstrap_sharpe(net, block=block)
    means = {name: mean_or_none(daily[name].cast(pl.Float64).to_numpy()) for name in POSITION_DAYS_SCHEMA.names()[2:]}
    return PositionPortfolioScore(
        gross_sharpe=finite_or_none(sharpe(gross)),
        net_sharpe=finite_or_none(sharpe(net)),
        net_sharpe_low=finite_or_none(low),
        net_sharpe_high=finite_or_none(high),
        gross_mean=means[GROSS],
        net_mean=means[NET],
        turnover=means[TURNOVER],
        drawdown=finite_or_none(drawdown(net)) if len(net) else None,
        gross_exposure=means[GROSS_EXPOSURE],
        net_exposure=means[NET_EXPOSURE],
        costs={kind: means[COST_PREFIX + kind] or 0.0 for kind in COST_KINDS},
        factor_mean=means[FACTOR],
        specific_mean=means[SPECIFIC],
        delisted=int(daily[DELISTED].sum()),
        unsolved=int(daily[UNSOLVED].sum()),
        days=len(net),
    )


def score_positions(
    daily: pl.DataFrame, entry: PositionEntry, capital: float, capacity: Mapping[str, float | None], delisting_note: str
) -> PositionScore:
    """Score the optimised positions and every decile book on the same days."""
    tables = {str(name): days for (name,), days in daily.sort(DATE).partition_by(PORTFOLIO, as_dict=True).items()}
    own = tables[OPTIMISED]
    horizons = sorted(int(name.removeprefix(BOOK)) for name in tables if name.startswith(BOOK))
    days = {horizon: tables[f"{BOOK}{horizon}"].join(own, on=DATE, how="semi") for horizon in horizons}
    optimised = score_position_days(own)
    books = {horizon: score_position_days(table, horizon) for horizon, table in days.items()}
    ratios = {horizon: book.net_sharpe for horizon, book in books.items() if book.net_sharpe is not None}
    best = max(ratios, key=lambda horizon: ratios[horizon]) if ratios else None
    own_ratio, best_ratio = optimised.net_sharpe, None if best is None else ratios[best]
    return PositionScore(
        entry=entry,
        capital=capital,
        first=str(own[DATE].min()),
        last=str(own[DATE].max()),
        optimised=optimised,
        books=books,
        best_book=best,
        difference=None if best is None else _average_difference(own, days[best], at_equal_risk=False),
        difference_at_equal_risk=None if best is None else _average_difference(own, days[best], at_equal_risk=True),
        sharpe_ratio=own_ratio / best_ratio if own_ratio is not None and best_ratio and best_ratio > 0 else None,
        capacity=dict(capacity),
        delisting_note=delisting_note,
    )


def _average_difference(own: pl.DataFrame, book: pl.DataFrame, *, at_equal_risk: bool) -> Mean:
    """Average the paired difference of the daily net returns, which overlap on no day."""
    paired = own.join(book, on=DATE, suffix="_book", maintain_order="left")
    own_net, book_net = (paired[name].to_numpy() for name in (NET, f"{NET}_book"))
    scale = own_net.std() / book_net.std() if at_equal_risk else 1.0  # a book with a Sharpe ratio has a deviation
    return average(own_net - scale * book_net, horizon=1)
