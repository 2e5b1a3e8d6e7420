"""Scores as papers define them: of all forecasters, of random forecasts, and those that papers report."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from ..evaluation.compare_baselines import NETWORK
from ..evaluation.entries import name_entry
from ..evaluation.published import ANNUAL_FACTOR, PublishedScore, score_as_published
from ..reporting.format import MISSING, format_number
from ..reporting.score_columns import PUBLISHED_COLUMNS
from ..reporting.table import Row, Table, format_cells, list_headers
from ..schema import DATE, FORECAST, MEMBER_PREFIX, REALISED
from .run_evidence import RunEvidence, describe_difference
from .score_tables import SPREAD_TITLE, format_spread, list_other_entries, name_network

DRAWS, SEED = 50, 7  # of random forecasts
FIRST_RETURN, LAST_RETURN = date(2017, 1, 3), date(2017, 12, 8)  # test period of the papers
STOCKS = 1026  # NASDAQ stocks in the papers
MAX_GAP = 7  # calendar days from a forecast to the first or last return in the papers
MAX_DEVIATIONS = 2  # from the mean of random forecasts; a score within them does not differ from chance
DEFINITIONS = (
    'Stocks without a return on a day count as (0, 0) in the correlation. "RIC" is the mean of the daily ICs divided '
    "by their standard deviation. prec@10 is the share of the ten highest forecasts whose return is not negative. SR "
    "is the mean divided by the standard deviation of the daily mean return of the five highest forecasts, times "
    "15.87, without costs."
)
PUBLISHED_ROWS = (  # of the table in StockMixer (Fan and Shen, AAAI 2024)
    ("LSTM", "0.032", "0.354", MISSING, MISSING),
    ("GAT", "0.035", "0.377", MISSING, MISSING),
    ("STHAN-SR", "0.039", "0.451", MISSING, MISSING),
    ("StockMixer", "0.043", "0.501", "0.545", "1.465"),
)
CAUTION = (
    "Rows in italics are the published numbers for the same stocks and days. They are not comparable: their inputs are "
    "normalised with future data (prices are divided by the maximum of each stock over the whole period; this alone, "
    "without any network, has an IC of 0.027). They are also hard to reproduce: in one run, StockMixer's own code had "
    'an IC of 0.037 and a "RIC" of 0.46 at its best validation loss, and 0.031 and 0.39 at its end; others report ICs '
    "of 0.016 to 0.022."
)


@dataclass(frozen=True)
class RandomBaseline:
    """The scores of random forecasts, and the Sharpe ratio of holding all stocks."""

    scores: Sequence[PublishedScore]
    held_sharpe: float

    def summarize(self, column: str) -> tuple[float, float]:
        """Compute the mean and the standard deviation of a column over the draws."""
        values = [value for score in self.scores if (value := getattr(score, column)) is not None]
        return float(np.mean(values)), float(np.std(values, ddof=1))


def score_random_forecasts(realised: pl.DataFrame) -> RandomBaseline:
    """Score random forecasts with the realised returns (date, code, target)."""
    random = np.random.default_rng(SEED)
    forecasts = [realised.with_columns(pl.Series(FORECAST, random.normal(size=len(realised)))) for _ in range(DRAWS)]
    means = realised.drop_nulls(REALISED).group_by(DATE).agg(pl.col(REALISED).mean())[REALISED].to_numpy()
    return RandomBaseline(
        [score_as_published(table) for table in forecasts], float(means.mean() / means.std()) * ANNUAL_FACTOR
    )


def tabulate_published_scores(runs: Sequence[RunEvidence], random: RandomBaseline) -> Table:
    """Tabulate the one-day scores of all forecasters as papers define them.

    Published rows are included only if the first run is tested on their stocks and days.
    """
    run = runs[0]
    rows = [*_list_forecasters(run), *_list_other_runs(runs)]
    summaries = [" ± ".join(map(column.format, random.summarize(name))) for name, column in PUBLISHED_COLUMNS.items()]
    rows.append(["random forecasts ± standard deviation", *summaries])
    rows.append(["all stocks, held", MISSING, MISSING, MISSING, format_number(random.held_sharpe, 2)])
    notes = [DEFINITIONS, _compare_with_random(list(run.score.published.values()), random)]
    if has_published_days(run):
        rows += [[f"*{name}, as published*", *cells] for name, *cells in PUBLISHED_ROWS]
        notes.append(CAUTION)
    header = ("forecaster", *list_headers(PUBLISHED_COLUMNS, PUBLISHED_COLUMNS))
    return Table("Scores as papers define them", header, rows, " ".join(notes))


def _list_forecasters(run: RunEvidence) -> Iterator[Row]:
    """List the network, the spread over its members and the baselines, at each entry."""
    published = run.score.published
    members = [score for name, score in published.items() if name.startswith(MEMBER_PREFIX)]
    titles = {NETWORK: name_network(run)}
    titles |= {name: name for name in published if name != NETWORK and not name.startswith(MEMBER_PREFIX)}
    for name, title in titles.items():
        yield [title, *_format_score(published[name])]
        if name == NETWORK and members:
            columns = PUBLISHED_COLUMNS.values()
            yield [SPREAD_TITLE, *(format_spread(map(column.compute, members), column.format) for column in columns)]
    for lag, entry in list_other_entries(run.score).items():
        for name, title in titles.items():
            yield [f"{title}, {name_entry(lag)}", *_format_score(entry.published[name])]


def _list_other_runs(runs: Sequence[RunEvidence]) -> Iterator[Row]:
    for other in runs[1:]:
        if other.score.published:
            difference = describe_difference(other.manifest, runs[0].manifest)
            yield [f"network, {difference}", *_format_score(other.score.published[NETWORK])]


def _format_score(score: PublishedScore) -> list[str]:
    return format_cells(PUBLISHED_COLUMNS, PUBLISHED_COLUMNS, score)


def _compare_with_random(scores: Sequence[PublishedScore], random: RandomBaseline) -> str:
    """Count the forecasters whose precision and Sharpe ratio do not differ from random forecasts."""
    counts = {}
    for name in ("precision", "sharpe"):
        mean, deviation = random.summarize(name)
        values = [value for score in scores if (value := getattr(score, name)) is not None]
        counts[name] = f"{sum(abs(value - mean) <= MAX_DEVIATIONS * deviation for value in values)} of {len(values)}"
    return (
        f"Within {MAX_DEVIATIONS} standard deviations of the mean of random forecasts are {counts['precision']} "
        f"forecasters in prec@10 and {counts['sharpe']} in SR; holding all stocks has an SR of "
        f"{random.held_sharpe:.2f}."
    )


def has_published_days(run: RunEvidence) -> bool:
    """Return whether a run is tested on the stocks and days of the papers."""
    days = run.read_days(1)[DATE]
    if not len(days):
        return False
    gaps = ((FIRST_RETURN - days[0]).days, (LAST_RETURN - days[-1]).days)
    return all(0 < gap < MAX_GAP for gap in gaps) and abs(run.count_stocks() - STOCKS) < STOCKS / 100
