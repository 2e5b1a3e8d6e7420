"""What stands beside a run, in tables: baselines, its own networks alone, the oracle, and papers' columns."""

from collections.abc import Iterator, Mapping

from ..evaluation.daily_statistics import compute_false_positive_rate
from ..evaluation.published import PublishedScore
from ..evaluation.score import HorizonScore, RunScore
from .entry_tables import ENTERED, mark_entry
from .format import format_difference, format_number
from .table import Table

ENOUGH_SPANS = 20  # that share no return; with more, |t| exceeds 2 by chance in about 5 % of samples
METRICS = {"rank_ic": "rank IC", "ic": "IC", "long_short_net": "net bp a day"}
READING = "Mean of the daily differences, on what both forecast, ± their error, and t. `zero` has an IC of 0."


def tabulate_rivals(score: RunScore, part: str) -> Table:
    """Tell how far the run is ahead of each baseline, paired by day."""
    horizons = list(score.split[part])
    rows = []
    for name in score.baselines:
        for what, title in METRICS.items():
            scale, digits = (1e4, 2) if what == "long_short_net" else (1, 4)
            for lag, entry in score.entries.items():
                rivals = entry.baselines[name].get(part, {})
                leads = [
                    format_difference(rivals[each].differences.get(what), scale, digits) if each in rivals else "–"
                    for each in horizons
                ]
                rows.append([name, title, mark_entry(lag, score.entry_lag), *leads])
    return Table(
        f"Ahead of the baselines on the {part} days",
        ("baseline", "in", ENTERED, *(f"{each}d" for each in horizons)),
        rows,
        " ".join([READING, *_warn_of_few_spans(score.split[part])]),
    )


def _warn_of_few_spans(horizons: Mapping[int, HorizonScore]) -> Iterator[str]:
    """Warn of horizons with few spans that share no return; give how often |t| exceeds 2 by chance."""
    for horizon, told in horizons.items():
        days = told.rank_ic.days
        if 2 * horizon <= days < ENOUGH_SPANS * horizon:
            spans, once_in = days / horizon, 1 / compute_false_positive_rate(days, horizon)
            yield (
                f"{days} days are {spans:.3g} spans of {horizon} d: "
                f"|t| exceeds 2 by chance in 1 of {once_in:.0f} such samples."
            )


def tabulate_seeds(score: RunScore, part: str) -> Table:
    """Tell what each network is worth alone, and how far their mean is ahead of it."""
    rows = []
    for lag, entry in score.entries.items():
        for seed, parts in entry.seeds.items():
            for horizon, alone in parts.get(part, {}).items():
                told = alone.score
                rows.append(
                    [
                        f"{horizon}d",
                        mark_entry(lag, score.entry_lag),
                        seed,
                        *(format_number(value) for value in (told.ic.mean, told.rank_ic.mean)),
                        *(format_number(value, 2) for value in (told.ic.ir, told.rank_ic.ir)),
                        format_difference(alone.differences.get("rank_ic")),
                    ]
                )
    return Table(
        f"Each network alone on the {part} days",
        (
            "horizon",
            ENTERED,
            "seed",
            "IC",
            "rank IC",
            "IC mean over deviation",
            "rank IC's",
            "their mean is ahead in rank IC",
        ),
        sorted(rows, key=lambda row: int(row[0][:-1])),
    )


def tabulate_published(score: RunScore) -> Table:
    """Tell what published tables of stock ranking would print."""
    rows = [
        [name, mark_entry(lag, score.entry_lag), *_format_published(entry.published[name])]
        for name in score.published
        for lag, entry in score.entries.items()
    ]
    return Table(
        "As published tables count, the next day on the test days",
        ("forecaster", ENTERED, "IC", '"RIC"', "prec@10", "SR"),
        rows,
        'There "RIC" is the daily IC\'s mean over its deviation; prec@10 and SR (of the five best, without costs) tell '
        "good forecasts from random ones hardly at all.",
    )


def _format_published(score: PublishedScore) -> list[str]:
    return [
        format_number(score.ic),
        format_number(score.ric, 3),
        format_number(score.precision, 3),
        format_number(score.sharpe, 2),
    ]


def tabulate_oracle(score: RunScore, part: str) -> Table:
    """Tell which share of what can be known of a simulated market the run knows."""
    rows = []
    for name in score.oracle[part]:
        for lag, entry in score.entries.items():
            mine, best = entry.split[part].get(name), entry.oracle.get(part, {}).get(name)
            if best is not None:
                share = mine.ic.mean / best.ic.mean if mine and mine.ic.mean is not None and best.ic.mean else None
                told = [
                    format_number(best.ic.mean),
                    format_number(best.ic.se),
                    "–" if share is None else f"{share:.1%}",
                ]
                rows.append([f"{name}d", mark_entry(lag, score.entry_lag), *told])
    return Table(
        f"The oracle of the simulated market on the {part} days",
        ("horizon", ENTERED, "its IC", "± se", "share that the run reaches"),
        rows,
        "The best possible forecast of each entry's returns: their conditional expectation, from which the market was "
        "made.",
    )
