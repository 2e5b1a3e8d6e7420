"""What was done, how fast, and what it does not show."""

from collections.abc import Sequence
from itertools import groupby

from ..grid import Grid
from .evidence import Evidence

GRAPH = ("kind", "neighbours", "sign", "window", "half_life", "lag_days")  # what is told of its recipe
LIMITS = (
    "**Survivorship.** The stocks are those that the labels name, and whoever chose them knew which would still be "
    "traded at the end. What is measured is the order among survivors.",
    "**One market, one span of test days.** A year of days has an error of its own, which stands beside every mean; "
    "the walk below, where there is one, says more, and its networks were designed by people who know those years.",
    "**Choices.** The network, its losses and its training were chosen on validation days, some of them on those of "
    "the years before; the test days were looked at once.",
    "**Trading.** Costs are a number of basis points, whatever the stock; nothing is paid for borrowing, and prices "
    "are the close at which the forecast is made.",
)


def tabulate_protocol(run: Evidence) -> Grid:
    """Tell which stocks and days were forecast from what, and by which code."""
    manifest, training = run.manifest, run.manifest["training"]
    parts = [(role, run.stretch(role)) for role in ("train", "validation", "test")]
    dirty = ", with uncommitted changes" if manifest["is_dirty"] else ""
    graph = manifest.get("graph", {})
    rows = [
        ["stocks", f"{run.count_stocks():,}"],
        *([role, f"{each.first} to {each.last}, {each.days:,} days"] for role, each in parts),
        ["between them", f"purged, so that no label reaches into the next part, and {_embargo(run)} days of embargo"],
        ["horizons", ", ".join(f"{horizon} d" for horizon in run.horizons)],
        ["features", f"{manifest['features']}, from open, high, low, close and volume up to the forecast day"],
        [
            "graph",
            ", ".join(f"{name} {graph[name]}" for name in GRAPH if name in graph),
        ],
        ["networks", f"{training['seeds']}, from seed {training['seed']} on; each kept at its best validation rank IC"],
        ["run", f"`{run.folder.name}`, commit `{manifest['commit'][:12]}`{dirty}"],
        ["made by", ", ".join(f"{name} {version}" for name, version in manifest["versions"].items())],
    ]
    return Grid("What was done", ("", ""), rows, "The test days were forecast once, after all choices.")


def _embargo(run: Evidence) -> int:
    stretches = run.manifest["split"]["stretches"]
    return max((each["days"] for each in stretches if each["role"] == "embargo"), default=0)


def tabulate_speed(runs: Sequence[Evidence], names: Sequence[str]) -> Grid:
    """Tell how long each run's networks trained, and how long their phases took."""
    rows = []
    for run, name in zip(runs, names, strict=True):
        seeds = [list(epochs) for _, epochs in groupby(run.history, key=lambda epoch: epoch["seed"])]
        seconds = [sum(epoch["seconds"] for epoch in epochs) for epochs in seeds]
        count = len(run.history)
        per_second = sum(epoch["forecasts_per_second"] * epoch["seconds"] for epoch in run.history) / sum(seconds)
        reading = sum(epoch["reading_seconds"] for epoch in run.history) / sum(seconds)
        first = [
            f"{phase} {len(mine)} x {sum(epoch['seconds'] for epoch in mine) / len(mine):.1f} s"
            for phase, epochs in groupby(seeds[0], key=lambda epoch: epoch["phase"])
            if (mine := list(epochs))
        ]
        rows.append(
            [
                name,
                f"{len(seeds)} x {count // len(seeds)} epochs",
                f"{seconds[0]:.0f} s",
                f"{sum(seconds) / 60:.1f} min",
                f"{per_second:,.0f}",
                f"{reading:.1%}",
                ", ".join(first),
            ]
        )
    head = ("run", "networks", "one", "all, one after the other", "samples a second", "of which reading", "its phases")
    device = runs[0].manifest["device"]
    return Grid(
        "How long it took",
        head,
        rows,
        f"Training and validating on {device}, without making the data. A sample is a stock on a day, with all its "
        "horizons; epochs with attention to neighbours are the slower ones.",
    )
