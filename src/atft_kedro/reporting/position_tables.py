"""Tables of positions after costs, beside decile books at the same costs."""

from collections.abc import Sequence

from ..evaluation.position_score import BOOK, PositionScore
from ..evaluation.score import RunScore
from .format import format_difference, format_number
from .score_columns import BASIS_POINTS_PER_DAY, COMPARED_POSITION_COLUMNS, POSITION_COLUMNS, RETURN_SOURCE_COLUMNS
from .table import Table, format_cells, list_headers

SCORE_NOTE = (
    "Optimised positions combine the forecasts of all horizons and weigh expected return against risk and costs. A "
    "decile book buys the highest decile of one horizon's forecasts, sells the lowest, and holds each day's choice for "
    "the horizon; it trades at the same prices and pays the same costs by stock. Returns are shares of the equity per "
    "day, turnover is the sum of absolute trades per day, exposure the mean sum of absolute weights. Risk is the "
    "standard deviation of the daily returns before costs; the risk model predicts it from each day's weights."
)
SOURCE_NOTE = (
    "Gross return = single stocks + factors; net return = gross return − costs. Factors: the part of the return that "
    "the risk model's factors explain. Single stocks: the rest, which the forecasts aim at."
)
COMPARED_NOTE = (
    "Each run's own test days. Best book: the decile book with the highest net Sharpe ratio at the same costs;\n"
    "the paired difference is that from the book scaled to the same standard deviation."
)


def tabulate_positions(score: PositionScore | None, suffix: str = "") -> list[Table]:
    """Build the tables of positions and decile books: their scores, and where returns come from."""
    if score is None:
        return []
    tables = {
        "After costs: positions on the test days": (POSITION_COLUMNS, _describe(score)),
        "Sources of the return after costs, bp per day": (RETURN_SOURCE_COLUMNS, SOURCE_NOTE),
    }
    portfolios = {name_portfolio(name): portfolio for name, portfolio in score.portfolios.items()}
    return [
        Table(
            f"{title}{suffix}",
            ("positions", *list_headers(columns, columns)),
            [[name, *format_cells(columns, columns, portfolio)] for name, portfolio in portfolios.items()],
            note,
        )
        for title, (columns, note) in tables.items()
    ]


def name_portfolio(portfolio: str) -> str:
    """Name a portfolio for readers: `book 5` is the decile book of 5 days."""
    return f"decile book, {portfolio.removeprefix(BOOK)} d" if portfolio.startswith(BOOK) else portfolio


def _describe(score: PositionScore) -> str:
    """Describe trading, the difference from the best book, delisted stocks and days without a solution."""
    own, most = score.optimised, max((book.delisted for book in score.books.values()), default=0)
    entry, capital = score.entry.replace("_", " "), f"{score.capital:,.0f}"
    note = f"{score.first} to {score.last}, entered at the {entry}, capital {capital}. "
    if not own.turnover:
        note += "The optimised positions never traded: no expected return was worth its costs and risk. "
    if score.best_book is not None:
        differences = (score.difference, score.difference_at_equal_risk)
        difference, scaled = (format_difference(mean, **BASIS_POINTS_PER_DAY) for mean in differences)
        note += (
            f"Compared with the best decile book ({score.best_book} d, chosen on these same days), the optimised "
            f"positions earn {difference} bp per day, paired by day; {scaled} if the book is scaled to the same "
            "standard deviation. "
        )
    if score.sharpe_ratio is not None:
        note += f"Their net Sharpe ratio is {format_number(score.sharpe_ratio, 2)} times that of the book. "
    return note + (
        f"Delisted while held: {own.delisted} optimised positions, of which {own.delisted - own.delisted_by_default} "
        f"earned the return of the table of delistings and {own.delisted_by_default} the default; at most {most} of a "
        f"decile book. {score.delisting_note} Days whose problem could not be solved, so that the positions stayed: "
        f"{own.unsolved} of {own.days}. {SCORE_NOTE}"
    )


def tabulate_compared_positions(scores: Sequence[RunScore]) -> list[Table]:
    """Build a table of the runs' optimised positions; empty if no run has any."""
    columns = COMPARED_POSITION_COLUMNS
    rows = [
        [str(number), *format_cells(columns, columns, score.positions)]
        for number, score in enumerate(scores, start=1)
        if score.positions is not None
    ]
    header = ("run", *list_headers(columns, columns))
    return [Table("After costs: optimised positions", header, rows, COMPARED_NOTE)] if rows else []
