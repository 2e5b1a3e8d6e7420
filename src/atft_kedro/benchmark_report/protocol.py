"""The protocol of a run, its training time, and the limitations of a benchmark."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from ..reporting.table import Table
from ..training.params import SelectionParams
from .run_evidence import RunEvidence, format_phase, format_value, list_modules

UNKNOWN = "not recorded"
LIMITATIONS = (
    "**Survivorship.** If only stocks were chosen that were traded until the end, as in published labels, the scores "
    "measure the ranking of survivors.",
    "**One market, one period of test days.** The standard errors are those of these test days. Other years differ by "
    "more than these errors.",
    "**Choices.** All runs of this page are scored on the same test days. To choose between runs by these scores uses "
    "the test days, so other days are needed to confirm the choice.",
    "**Trading.** Costs are a fixed number of basis points for every stock and amount. Borrowing is free, and every "
    "trade is made at the close at which the forecast return begins.",
)


def tabulate_protocol(run: RunEvidence) -> Table:
    """Tabulate the stocks, days, features, network, training and code of a run."""
    manifest, training, network = run.manifest, run.manifest["training"], run.manifest["network"]
    splits = [(split, run.dates_of(split)) for split in ("train", "validation", "test")]
    embargo = max(
        (dates["days"] for dates in manifest["split"]["date_ranges"] if dates["split"] == "embargo"), default=0
    )
    selection = SelectionParams.model_validate(training["selection"])
    phases = [
        f"{format_phase(phase)}: {format_value(training['loss'] or phase['loss'])}" for phase in training["phases"]
    ]
    shared = "" if training["epochs"] is None else f"; {training['epochs']} epochs in all, divided among the phases"
    sizes = {name: value for name, value in network.items() if isinstance(value, int)}  # also switches, which are bool
    modules = " and ".join(list_modules(manifest)) or "neither graph nor frequencies"
    removed = f", without {' and '.join(training['without'])}" if training["without"] else ""
    rows = [
        ["stocks", f"{run.count_stocks():,}"],
        *([split, f"{dates.first} to {dates.last}, {dates.days:,} days"] for split, dates in splits),
        ["between them", f"a purge, so that no label reaches into the next split, and an embargo of {embargo} days"],
        ["horizons", ", ".join(f"{horizon} d" for horizon in run.horizons)],
        ["features", str(manifest["features"])],
        ["graph", _format_params(manifest.get("graph"))],
        ["network", f"{_format_params(sizes)}; with {modules}{removed}"],
        ["phases", "; ".join(phases) + shared],
        [
            "ensemble",
            f"{training['seeds']} networks, from seed {training['seed']} on, each with its weights of the best "
            f"validation {selection.label}; the scores are those of the mean of their forecasts",
        ],
        [
            "run",
            f"`{run.folder.name}`, commit `{manifest['commit'][:12]}`"
            + (", with uncommitted changes" if manifest["is_dirty"] else ""),
        ],
        ["versions", ", ".join(f"{name} {version}" for name, version in manifest["versions"].items())],
    ]
    return Table("Protocol", ("", ""), rows)


def _format_params(params: Any) -> str:
    return ", ".join(f"{name} {format_value(value)}" for name, value in params.items()) if params else UNKNOWN


def tabulate_training_time(runs: Sequence[RunEvidence], names: Sequence[str]) -> Table:
    """Tabulate the training time of each run's networks and phases."""
    header = ("run", "epochs of each network", "first network", "all networks in sequence", "samples per second")
    return Table(
        "Training time",
        (*header, "share of reading", "epoch of the first network by phase", "device, threads"),
        [[name, *_format_time(run)] for run, name in zip(runs, names, strict=True)],
        "Training and validation, without the preparation of data. A sample is one stock on one day with all its "
        "horizons. Rows are comparable only if nothing else ran on the machine.",
    )


def _format_time(run: RunEvidence) -> list[str]:
    device = f"{run.manifest['device']}, {run.manifest.get('threads', UNKNOWN)}"
    if not run.history:
        return [*["–"] * 6, device]
    seeds = [list(epochs) for _, epochs in groupby(run.history, key=lambda epoch: epoch["seed"])]
    seconds = [sum(epoch["seconds"] for epoch in epochs) for epochs in seeds]
    samples = sum(epoch["forecasts_per_second"] * epoch["seconds"] for epoch in run.history)
    reading = sum(epoch["reading_seconds"] for epoch in run.history)
    phases = {name: list(epochs) for name, epochs in groupby(seeds[0], key=lambda epoch: epoch["phase"])}
    means = {name: sum(epoch["seconds"] for epoch in epochs) / len(epochs) for name, epochs in phases.items()}
    return [
        ", ".join(str(len(epochs)) for epochs in seeds),
        f"{seconds[0]:.0f} s",
        f"{sum(seconds) / 60:.1f} min",
        f"{samples / sum(seconds):,.0f}",
        f"{reading / sum(seconds):.1%}",
        ", ".join(f"{name} {mean:.1f} s" for name, mean in means.items()),
        device,
    ]
