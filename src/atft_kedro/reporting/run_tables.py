"""What a run's pages tell in tables: made of what, what was wanted, what it is worth, beside whom, by which phases."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from ..evaluation.entries import name_entry
from ..evaluation.portfolio import PortfolioScore
from ..evaluation.score import HorizonScore, RunScore
from ..panel.split import Split
from .baseline_tables import tabulate_oracle, tabulate_published, tabulate_rivals, tabulate_seeds
from .entry_tables import ENTERED, mark_entry, tabulate_entries
from .format import format_number, format_sharpe_interval
from .table import Table

History = Sequence[Mapping[str, Any]]

HEAD = ("horizon", "IC", "± se", "rank IC", "± se", "hits", "net Sharpe", "days")  # fits a terminal of 80 characters
PART = (
    *("horizon", ENTERED, "IC", "± se", "rank IC", "± se", "IC of days apart", "± se", "mean over deviation"),
    *("hit rate", "scale", "stocks a day", "days"),
)
BOOKS = (
    *("horizon", ENTERED, "book", "gross bp", "net bp", "gross Sharpe", "net Sharpe (95 %)", "likely above 0"),
    *("turnover", "drawdown", "unpriced", "capacity"),
)
SCALE = "The scale of the best possible forecast is about its IC; days apart share no returns."
NAMES = {"long_short": "long-short", "long_only": "long only"}
EXCLUDED = {
    "unknown": "forecasts of dates and codes without any return",
    "not_finite": "forecasts that are no number",
    "unrealised": "forecasts whose return is not known",
}


def tabulate_run(score: RunScore, manifest: Mapping[str, Any], history: History) -> list[Table]:
    """Tell everything, what matters most first."""
    grids = [tabulate_goals(score), tabulate_entries(score, "test")]
    grids += [*(tabulate_part(score, part) for part in reversed(score.split))]
    grids += [tabulate_books(score, part) for part in ("test", "validation") if part in score.split]
    if score.baselines:
        grids.append(tabulate_rivals(score, "test"))
    if score.seeds:
        grids.append(tabulate_seeds(score, "test"))
    if score.oracle:
        grids.append(tabulate_oracle(score, "test"))
    if score.published:
        grids.append(tabulate_published(score))
    grids += tabulate_shortages(Split.model_validate(manifest["split"]))
    return [*grids, tabulate_phases(history), tabulate_making(manifest)]


def tabulate_shortages(split: Split) -> list[Table]:
    """List the parts that have fewer days or stocks than recommended; no table where none has."""
    rows = [[role, shortage.partition(": ")[2]] for role, shortage in split.shortages().items()]
    return [Table("Fewer days or stocks than recommended", ("part", "what"), rows)] if rows else []


def tabulate_part(score: RunScore, part: str) -> Table:
    """Tell one part's numbers, horizon by horizon, and what could not be scored."""
    horizons = score.split[part]
    first, last = score.days[part]
    excluded = {name: sum(getattr(each.excluded, name) for each in horizons.values()) for name in EXCLUDED}
    left_out = [f"{count:,} {EXCLUDED[name]}" for name, count in excluded.items() if count]
    undefined = sum(each.ic.undefined for each in horizons.values())
    left_out += [f"{undefined:,} days without a defined IC"] if undefined else []
    return Table(
        title=f"{part.capitalize()}: {first} to {last}"
        + (", the last days that were learned" if part == "train" else ""),
        header=PART,
        rows=[
            [f"{name}d", mark_entry(lag, score.entry_lag), *_tell_part(entry.split[part][name])]
            for name in horizons
            for lag, entry in score.entries.items()
        ],
        note=" ".join([SCALE, f"Not scored, over all horizons: {'; '.join(left_out)}." if left_out else ""]).strip(),
    )


def tabulate_books(score: RunScore, part: str) -> Table:
    """Tell what trading one part's forecasts would have earned."""
    rows = []
    for horizon in score.split[part]:
        for name, title in NAMES.items():
            for lag, entry in score.entries.items():
                book: PortfolioScore | None = getattr(entry.split[part][horizon], name)
                if book is not None:
                    rows.append([f"{horizon}d", mark_entry(lag, score.entry_lag), title, *_tell_book(book)])
    return Table(
        f"Portfolios on the {part} days",
        BOOKS,
        rows,
        "Bought and sold at the close that the column names. The best tenth against the worst, and the best stocks "
        "beyond the mean of all; each book is held for its horizon, so that over h days it takes h − 1 days until all "
        "is invested. Returns and turnover are a day's; capacity is what is traded in a day of the median stock held.",
    )


def _tell_book(book: PortfolioScore) -> list[str]:
    bp = [None if mean is None else 1e4 * mean for mean in (book.gross_mean, book.net_mean)]
    shares = [None if share is None else 100 * share for share in (book.drawdown, book.unpriced)]
    return [
        *(format_number(value, 1) for value in bp),
        format_number(book.gross_sharpe, 2),
        format_sharpe_interval(book),
        format_number(book.probability, 3),
        format_number(book.turnover, 2),
        *(format_number(value, 1) + " %" if value is not None else "–" for value in shares),
        "–" if book.capacity is None else f"{book.capacity:,.0f}",
    ]


def tell(told: HorizonScore) -> list[str]:
    """Format one horizon's numbers, as `HEAD` names them after the horizon."""
    book = told.long_short
    return [
        *(format_number(mean) for mean in (told.ic.mean, told.ic.se, told.rank_ic.mean, told.rank_ic.se)),
        format_number(told.hit_rate.mean, 3),
        format_number(book.net_sharpe if book else None, 2),
        str(told.ic.days),
    ]


def _tell_part(told: HorizonScore) -> list[str]:
    """Format one horizon's numbers, as `PART` names them after the entry."""
    return [
        *(format_number(mean) for mean in (told.ic.mean, told.ic.se, told.rank_ic.mean, told.rank_ic.se)),
        *(format_number(mean) for mean in (told.ic.nonoverlapping_mean, told.ic.nonoverlapping_se)),
        format_number(told.ic.ir, 2),
        format_number(told.hit_rate.mean, 3),
        format_number(told.scale.mean, 2),
        format_number(told.stocks, 0),
        str(told.ic.days),
    ]


def tabulate_goals(score: RunScore) -> Table:
    """Tell what was wanted and what came."""
    rows = []
    for name, goal in score.goals.items():
        wanted = f"{'≥' if goal.is_minimum else '<'} {goal.wanted:g}"
        error = "" if goal.se is None else f" ± {format_number(goal.se)}"
        rows.append([_name_target(name), wanted, f"{format_number(goal.value)}{error}", goal.verdict])
    note = f"Aspirations, not promises; at the {name_entry(score.entry_lag)}."
    return Table("Targets", ("target", "wanted", "reached", ""), rows, note)


def _name_target(name: str) -> str:
    if name in {"train_gap", "gradient_norm"}:
        return {
            "train_gap": "share of the train days' rank IC that is lost on the validation days",
            "gradient_norm": "largest norm of a step's gradient",
        }[name]
    metric, _, horizon = name.rpartition("_h")
    words = {"ic": "IC", "ic_ir": "ICIR", "rank_ic": "rank IC", "net_sharpe": "net Sharpe ratio"}
    return f"{words[metric]} over {horizon} d on the test days"


def tabulate_phases(history: History) -> Table:
    """Tell what each phase of each seed's training gave."""
    rows = []
    for (seed, phase), epochs in groupby(history, key=lambda epoch: (epoch["seed"], epoch["phase"])):
        mine = list(epochs)
        rank_ics = [epoch["validation"]["rank_ic"] for epoch in mine]
        rows.append(
            [
                phase,
                str(seed),
                str(len(mine)),
                format_number(mine[-1]["train_loss"]),
                format_number(rank_ics[-1]),
                format_number(max(rank_ics)),
                format_number(sum(epoch["seconds"] for epoch in mine), 1),
            ]
        )
    head = ("phase", "seed", "epochs", "train loss", "rank IC at its end", "at its best", "seconds")
    return Table("Phases", head, rows, "Rank IC on the validation days, horizons weighed as training.selection says.")


def tabulate_making(manifest: Mapping[str, Any]) -> Table:
    """Tell what a run was made of."""
    training, network = manifest["training"], manifest["network"]
    dirty = ", with uncommitted changes" if manifest["is_dirty"] else ""
    known = {
        "commit": f"{manifest['commit']}{dirty}",
        "data": f"{manifest['panel']} (hash of all features and targets)",
        "features": f"{manifest['features']}, catalogue {manifest['feature_hash']}",
        "split": "; ".join(
            f"{each['split']} {each['first']} to {each['last']} ({each['days']} days)"
            for each in manifest["split"]["date_ranges"]
            if each["split"] in {"train", "validation", "test"}
        ),
        "network": f"hidden size {network['hidden_size']}, lookback {network['lookback']}",
        "seeds": f"{training['seeds']}, from {training['seed']} on",
        "device": f"{manifest['device']}, {training['precision']}",
        "versions": ", ".join(f"{name} {version}" for name, version in manifest["versions"].items()),
    }
    return Table("What it was made of", ("what", ""), list(known.items()))


def collect_test_metrics(score: RunScore) -> dict[str, float]:
    """Name the numbers of the test days by which runs are compared; of the other entries behind their name."""
    numbers: dict[str, float | None] = {}
    for lag, entry in score.entries.items():
        where = "test" if lag == score.entry_lag else f"test/{name_entry(lag).replace(' ', '_')}"
        for horizon, told in entry.split.get("test", {}).items():
            days = f"{horizon}d"
            numbers |= {f"{where}/ic_{days}": told.ic.mean, f"{where}/rank_ic_{days}": told.rank_ic.mean}
            numbers[f"{where}/net_sharpe_{days}"] = told.long_short.net_sharpe if told.long_short else None
    return {name: value for name, value in numbers.items() if value is not None}
