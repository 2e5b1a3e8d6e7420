"""Tables of one run: goals, scores, portfolios, phases and the run's origin."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from math import inf, isnan
from typing import Any

from ..evaluation.align import format_excluded
from ..evaluation.entries import name_entry
from ..evaluation.portfolio import PortfolioScore
from ..evaluation.score import RunScore
from ..metrics import METRIC_NAMES
from ..panel.split import Split
from .baseline_tables import tabulate_baselines, tabulate_members, tabulate_oracle, tabulate_published
from .entry_tables import ENTRY_HEADER, mark_entry, tabulate_entries
from .format import format_number
from .position_tables import tabulate_positions
from .score_columns import EPOCH_COLUMNS, PORTFOLIO_COLUMNS, SCORE_COLUMNS, SPLIT_COLUMNS
from .table import Table, format_cells, list_headers

History = Sequence[Mapping[str, Any]]

PORTFOLIOS = {"long_short": "long-short", "long_only": "long only"}
SPLIT_NOTE = (
    "ICIR is the mean of the daily IC divided by its standard deviation. Scale is the standard deviation of the "
    "forecasts divided by that of the labels; the best possible forecast has a scale of about its IC. Non-overlapping "
    "days are at least the horizon apart, so that their returns share no day."
)
PORTFOLIO_NOTE = (
    "Bought and sold at the close in the second column. Long-short: the best decile against the worst, or all stocks "
    "weighted by their forecasts (`evaluation.portfolio.weights`). Long only: the return of the best stocks minus the "
    "mean return of all. Each day's positions are held for the horizon, so a portfolio over h days is fully invested "
    "from day h on. Returns and turnover are daily. Unknown returns: their share of the holdings; they count as 0. "
    "Traded value: close times volume per day of the median stock held."
)
OTHER_GOALS = {
    "train_gap": "share of the rank IC on the last train days that is lost on the validation days",
    "gradient_norm": "largest gradient norm of a step",
}


def tabulate_run(score: RunScore, manifest: Mapping[str, Any], history: History) -> list[Table]:
    """Build all tables of a run, the most important first."""
    tables = [tabulate_goals(score), tabulate_entries(score, "test")]
    tables += [tabulate_split(score, split) for split in reversed(score.split)]
    tables += [tabulate_portfolios(score, split) for split in ("test", "validation") if split in score.split]
    tables += tabulate_positions(score.positions)
    tables += [tabulate_baselines(score, "test")] if score.baselines else []
    tables += [tabulate_members(score, "test")] if score.seeds else []
    tables += [tabulate_oracle(score, "test")] if score.oracle else []
    tables += [tabulate_published(score)] if score.published else []
    tables += tabulate_shortages(Split.model_validate(manifest["split"]))
    return [*tables, tabulate_phases(history), tabulate_manifest(manifest)]


def tabulate_shortages(split: Split) -> list[Table]:
    """Build the table of splits with fewer days or stocks than recommended; empty without any."""
    rows = [[name, shortage.partition(": ")[2]] for name, shortage in split.shortages().items()]
    return [Table("Fewer days or stocks than recommended", ("split", "shortage"), rows)] if rows else []


def tabulate_split(score: RunScore, split: str) -> Table:
    """Build the table of one split's scores; the note counts forecasts without a score."""
    horizons = score.split[split]
    first, last = score.days[split]
    not_scored = format_excluded(horizon_score.excluded for horizon_score in horizons.values())
    undefined = sum(horizon_score.ic.undefined for horizon_score in horizons.values())
    not_scored += [f"{undefined:,} days without a defined IC"] if undefined else []
    suffix = ", the last train days" if split == "train" else ""
    rows = []
    for horizon in horizons:
        for lag, entry in score.entries.items():
            cells = format_cells(SCORE_COLUMNS, SPLIT_COLUMNS, entry.split[split][horizon])
            rows.append([f"{horizon}d", mark_entry(lag, score.entry_lag), *cells])
    header = ("horizon", ENTRY_HEADER, *list_headers(SCORE_COLUMNS, SPLIT_COLUMNS))
    note = SPLIT_NOTE + (f" Not scored, over all horizons: {'; '.join(not_scored)}." if not_scored else "")
    return Table(f"{split.capitalize()}: {first} to {last}{suffix}", header, rows, note)


def tabulate_portfolios(score: RunScore, split: str) -> Table:
    """Build the table of the portfolios that trade on one split's forecasts."""
    rows = []
    for horizon in score.split[split]:
        for name, title in PORTFOLIOS.items():
            for lag, entry in score.entries.items():
                portfolio: PortfolioScore | None = getattr(entry.split[split][horizon], name)
                if portfolio is not None:
                    cells = format_cells(PORTFOLIO_COLUMNS, PORTFOLIO_COLUMNS, portfolio)
                    rows.append([f"{horizon}d", mark_entry(lag, score.entry_lag), title, *cells])
    header = ("horizon", ENTRY_HEADER, "portfolio", *list_headers(PORTFOLIO_COLUMNS, PORTFOLIO_COLUMNS))
    return Table(f"Portfolios on the {split} days", header, rows, PORTFOLIO_NOTE)


def tabulate_goals(score: RunScore) -> Table:
    """Build the table of goals and the values reached."""
    rows = []
    for name, goal in score.goals.items():
        metric, _, horizon = name.rpartition("_h")
        title = OTHER_GOALS.get(name) or f"{METRIC_NAMES[metric]} over {horizon} d on the test days"
        wanted = f"{'≥' if goal.is_minimum else '<'} {goal.wanted:g}"
        error = "" if goal.se is None else f" ± {format_number(goal.se)}"
        rows.append([title, wanted, f"{format_number(goal.value)}{error}", goal.verdict])
    note = f"Goals are aims, not promises. Scores are those of entry at the {name_entry(score.entry_lag)}."
    return Table("Goals", ("goal", "wanted", "reached", ""), rows, note)


def tabulate_phases(history: History) -> Table:
    """Build the table of the training phases of each seed."""
    rows = []
    for (seed, phase), epochs_of_phase in groupby(history, key=lambda epoch: (epoch["seed"], epoch["phase"])):
        epochs = list(epochs_of_phase)
        total = {"seconds": sum(epoch["seconds"] for epoch in epochs)}
        best = max(epochs, key=_get_rank_ic)
        cells = format_cells(EPOCH_COLUMNS, ("train_loss", "rank_ic"), epochs[-1])
        cells += format_cells(EPOCH_COLUMNS, ("rank_ic",), best) + format_cells(EPOCH_COLUMNS, ("seconds",), total)
        rows.append([phase, str(seed), str(len(epochs)), *cells])
    loss, rank_ic, seconds = list_headers(EPOCH_COLUMNS, ("train_loss", "rank_ic", "seconds"))
    header = ("phase", "seed", "epochs", loss, f"{rank_ic}, last epoch", f"{rank_ic}, best epoch", seconds)
    note = "Rank IC is that on the validation days, averaged over the horizons as `training.selection` sets."
    return Table("Phases", header, rows, note)


def _get_rank_ic(epoch: Mapping[str, Any]) -> float:
    """Return the rank IC of an epoch; the lowest number if it is undefined."""
    rank_ic: float = EPOCH_COLUMNS["rank_ic"].compute(epoch)
    return -inf if isnan(rank_ic) else rank_ic


def tabulate_manifest(manifest: Mapping[str, Any]) -> Table:
    """Build the table of a run's commit, data, network and software versions."""
    training, network = manifest["training"], manifest["network"]
    dirty = ", with uncommitted changes" if manifest["is_dirty"] else ""
    values = {
        "commit": f"{manifest['commit']}{dirty}",
        "data": f"{manifest['panel']} (hash of all features and targets)",
        "features": f"{manifest['features']}, catalogue {manifest['feature_hash']}",
        "split": "; ".join(
            f"{dates['split']} {dates['first']} to {dates['last']} ({dates['days']} days)"
            for dates in manifest["split"]["date_ranges"]
            if dates["split"] in {"train", "validation", "test"}
        ),
        "network": f"hidden size {network['hidden_size']}, lookback {network['lookback']}",
        "seeds": f"{training['seeds']}, from {training['seed']} on",
        "device": f"{manifest['device']}, {training['precision']}",
        "versions": ", ".join(f"{name} {version}" for name, version in manifest["versions"].items()),
    }
    return Table("Origin", ("item", "value"), list(values.items()))
