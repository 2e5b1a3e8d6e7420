"""Scores of optimised positions, and of decile books at the same costs."""

import math
from collections.abc import Mapping
from typing import Literal

import polars as pl

from ..params import Params
from ..schema import DATE, HorizonKey
from .daily_statistics import Mean, average, finite_or_none, mean_or_none, sharpe
from .portfolio import ReturnScore, score_returns

PORTFOLIO, OPTIMISED = "portfolio", "optimised"
BOOK, CHANGED = "book ", " = "  # names: `book 5` is the decile book of 5 days; `lot_size = 100` has another lot size
GROSS, NET, TURNOVER, FACTOR, SPECIFIC = "gross", "net", "turnover", "factor", "specific"
GROSS_EXPOSURE, NET_EXPOSURE = "gross_exposure", "net_exposure"
PREDICTED_VARIANCE = "predicted_variance"  # of the day's gross return, by the risk model
DELISTED, DELISTED_BY_DEFAULT, UNSOLVED = "delisted", "delisted_by_default", "unsolved"
COST_PREFIX = "cost_"
COST_KINDS = ("spread", "impact", "commission", "borrow")
COST_COLUMNS = tuple(COST_PREFIX + kind for kind in COST_KINDS)
POSITION_DAYS_SCHEMA = pl.Schema(
    {
        PORTFOLIO: pl.String,
        DATE: pl.Date,
        **dict.fromkeys((GROSS, NET, TURNOVER, GROSS_EXPOSURE, NET_EXPOSURE), pl.Float64),
        **dict.fromkeys((*COST_COLUMNS, FACTOR, SPECIFIC, PREDICTED_VARIANCE), pl.Float64),
        **dict.fromkeys((DELISTED, DELISTED_BY_DEFAULT, UNSOLVED), pl.Int64),
    }
)

PositionEntry = Literal["close", "next_open", "next_close"]


class PositionPortfolioScore(ReturnScore):
    """The score of one portfolio; means are daily and shares of the equity."""

    gross_exposure: float | None  # mean sum of absolute weights
    net_exposure: float | None  # mean sum of weights
    costs: dict[str, float]  # mean per day by kind
    factor_mean: float | None  # mean gross return that the risk model's factors explain
    specific_mean: float | None  # mean of the rest: what the forecasts of single stocks earn
    risk_ratio: float | None = None  # standard deviation of the gross returns / that predicted by the risk model
    delisted: int  # positions held when their stock disappeared
    delisted_by_default: int = 0  # those of them whose return is not in the table of delistings
    unsolved: int  # days whose problem could not be solved


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
    sensitivity: dict[str, dict[str, float | None]]  # net Sharpe of changed positions, by parameter and value
    own_values: dict[str, str]  # the values of these parameters in `optimised`
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
    values = {name: daily[name].cast(pl.Float64).to_numpy() for name in POSITION_DAYS_SCHEMA.names()[2:]}
    means = {name: mean_or_none(column) for name, column in values.items()}
    predicted = math.sqrt(means[PREDICTED_VARIANCE] or 0.0)
    return PositionPortfolioScore(
        **score_returns(values[GROSS], values[NET], values[TURNOVER], holding_days),
        gross_exposure=means[GROSS_EXPOSURE],
        net_exposure=means[NET_EXPOSURE],
        costs={kind: means[COST_PREFIX + kind] or 0.0 for kind in COST_KINDS},
        factor_mean=means[FACTOR],
        specific_mean=means[SPECIFIC],
        risk_ratio=float(values[GROSS].std()) / predicted if predicted else None,
        delisted=int(daily[DELISTED].sum()),
        delisted_by_default=int(daily[DELISTED_BY_DEFAULT].sum()),
        unsolved=int(daily[UNSOLVED].sum()),
    )


def score_positions(
    daily: pl.DataFrame, entry: PositionEntry, capital: float, own_values: Mapping[str, str], delisting_note: str
) -> PositionScore:
    """Score the optimised positions, decile books, and positions with changed parameters."""
    tables = {str(name): days for (name,), days in daily.sort(DATE).partition_by(PORTFOLIO, as_dict=True).items()}
    own, net = tables[OPTIMISED], {name: table[NET].to_numpy() for name, table in tables.items()}
    optimised = score_position_days(own)
    horizons = sorted(int(name.removeprefix(BOOK)) for name in tables if name.startswith(BOOK))
    books = {horizon: score_position_days(tables[f"{BOOK}{horizon}"], horizon) for horizon in horizons}
    ratios = {horizon: book.net_sharpe for horizon, book in books.items() if book.net_sharpe is not None}
    best = max(ratios, key=lambda horizon: ratios[horizon]) if ratios else None
    own_ratio, best_ratio = optimised.net_sharpe, None if best is None else ratios[best]
    difference = scaled_difference = None
    if best is not None:
        own_net, book_net = net[OPTIMISED], net[f"{BOOK}{best}"]
        scale = own_net.std() / book_net.std()  # a book with a Sharpe ratio has a deviation
        difference, scaled_difference = (average(own_net - factor * book_net, horizon=1) for factor in (1.0, scale))
    sensitivity: dict[str, dict[str, float | None]] = {name: {value: own_ratio} for name, value in own_values.items()}
    for changed in (name for name in tables if CHANGED in name):
        name, value = changed.split(CHANGED)
        sensitivity[name][value] = finite_or_none(sharpe(net[changed]))
    return PositionScore(
        entry=entry,
        capital=capital,
        first=str(own[DATE].min()),
        last=str(own[DATE].max()),
        optimised=optimised,
        books=books,
        best_book=best,
        difference=difference,
        difference_at_equal_risk=scaled_difference,
        sharpe_ratio=own_ratio / best_ratio if own_ratio is not None and best_ratio and best_ratio > 0 else None,
        sensitivity=sensitivity,
        own_values=dict(own_values),
        delisting_note=delisting_note,
    )
