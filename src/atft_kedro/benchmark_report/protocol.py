"""What was done, how fast, and what it does not show."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from ..reporting.table import Table
from ..training.selection import SelectionParams
from .run_diff import list_parts, say_value, tell_phase
from .run_evidence import Evidence

UNKNOWN = "not written down"
SIZES = ("hidden_size", "lookback", "selection_size", "graph_heads", "graph_signed_heads", "market_gate")
LIMITS = (
    "**Survivorship.** Where whoever chose the stocks knew which would still be traded at the end, as of published "
    "labels, what is measured is the order among survivors.",
    "**One market, one span of test days.** Means over a year of days have the errors that stand beside them, and "
    "other years differ by more than those say.",
    "**Choices.** All runs of this page are scored on the same test days. Whoever chooses between them by these "
    "numbers has chosen by the test days, and needs others.",
    "**Trading.** Costs are a number of basis points, whatever the stock and the amount; nothing is paid for "
    "borrowing, and every trade is made at the very price at which the forecast return begins.",
)


def tabulate_protocol(run: Evidence) -> Table:
    """Tell which stocks and days were forecast from what, and by which code."""
    manifest, training, network = run.manifest, run.manifest["training"], run.manifest["network"]
    parts = [(role, run.stretch(role)) for role in ("train", "validation", "test")]
    dirty = ", with uncommitted changes" if manifest["is_dirty"] else ""
    selection = SelectionParams.model_validate(training["selection"])
    phases = [f"{tell_phase(phase)}: {say_value(training['loss'] or phase['loss'])}" for phase in training["phases"]]
    rows = [
        ["stocks", f"{run.count_stocks():,}"],
        *([role, f"{each.first} to {each.last}, {each.days:,} days"] for role, each in parts),
        ["between them", f"purged, so that no label reaches into the next part, and {_embargo(run)} days of embargo"],
        ["horizons", ", ".join(f"{horizon} d" for horizon in run.horizons)],
        ["features", str(manifest["features"])],
        ["graph", _list(manifest.get("graph"))],
        ["network", f"{_list({name: network.get(name) for name in SIZES})}; with {_parts(run)}"],
        ["phases", "; ".join(phases) + _shared(training["epochs"])],
        [
            "networks",
            f"{training['seeds']}, from seed {training['seed']} on, each kept at its best validation "
            f"{selection.label}; what is scored is the mean of their forecasts",
        ],
        ["run", f"`{run.folder.name}`, commit `{manifest['commit'][:12]}`{dirty}"],
        ["made by", ", ".join(f"{name} {version}" for name, version in manifest["versions"].items())],
    ]
    return Table("What was done", ("", ""), rows)


def _embargo(run: Evidence) -> int:
    stretches = run.manifest["split"]["date_ranges"]
    return max((each["days"] for each in stretches if each["split"] == "embargo"), default=0)


def _parts(run: Evidence) -> str:
    off = run.manifest["training"]["without"]
    on = " and ".join(list_parts(run.manifest)) or "neither graph nor frequencies"
    return f"{on}, without {' and '.join(off)}" if off else on


def _shared(epochs: int | None) -> str:
    return "" if epochs is None else f"; {epochs} epochs in all, shared by the phases"


def _list(params: Any) -> str:
    return ", ".join(f"{name} {say_value(value)}" for name, value in params.items()) if params else UNKNOWN


def tabulate_speed(runs: Sequence[Evidence], names: Sequence[str]) -> Table:
    """Tell how long each run's networks trained, and how long their phases took."""
    head = ("run", "epochs of each network", "the first", "all, one after the other", "samples a second")
    return Table(
        "How long it took",
        (*head, "of the time reading", "an epoch of the first, by phase", "device, threads"),
        [[name, *_time(run)] for run, name in zip(runs, names, strict=True)],
        "Training and validating, without making the data. A sample is a stock on a day, with all its horizons. "
        "Rows are comparable only where nothing else ran beside them.",
    )


def _time(run: Evidence) -> list[str]:
    device = f"{run.manifest['device']}, {run.manifest.get('threads', UNKNOWN)}"
    if not run.history:
        return [*["–"] * 6, device]
    seeds = [list(epochs) for _, epochs in groupby(run.history, key=lambda epoch: epoch["seed"])]
    seconds = [sum(epoch["seconds"] for epoch in epochs) for epochs in seeds]
    samples = sum(epoch["forecasts_per_second"] * epoch["seconds"] for epoch in run.history)
    reading = sum(epoch["reading_seconds"] for epoch in run.history)
    phases = [
        f"{phase} {sum(epoch['seconds'] for epoch in mine) / len(mine):.1f} s"
        for phase, epochs in groupby(seeds[0], key=lambda epoch: epoch["phase"])
        if (mine := list(epochs))
    ]
    return [
        ", ".join(str(len(epochs)) for epochs in seeds),
        f"{seconds[0]:.0f} s",
        f"{sum(seconds) / 60:.1f} min",
        f"{samples / sum(seconds):,.0f}",
        f"{reading / sum(seconds):.1%}",
        ", ".join(phases),
        device,
    ]
