"""The settings of a run, its training time, and the limitations of a benchmark."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from ..reporting.table import Table
from ..training.params import SelectionParams
from ..training.phases import distribute_epochs
from .run_evidence import Manifest, RunEvidence, format_phase, format_value, list_modules

NOT_RECORDED = "not recorded"
LIMITATIONS = (
    "**Survivorship.** If the data contains only stocks that still trade at its end, as published label files do, the "
    "scores are too good.",
    "**One market, one period of test days.** The standard errors are those of these test days. Other years can "
    "differ by more than these errors.",
    "**Choices.** All runs of this page are scored on the same test days. If you choose a run by these scores, you "
    "have used the test days. Confirm the choice on other days.",
    "**Trading.** Costs are a fixed number of basis points for every stock and amount. Borrowing is free, and each "
    "trade is at the close where the forecast's return starts.",
)


def tabulate_protocol(run: RunEvidence) -> Table:
    """Tabulate the stocks, days, features, network, training and code of a run."""
    manifest, training, network = run.manifest, run.manifest["training"], run.manifest["network"]
    splits = [(split, run.dates_of(split)) for split in ("train", "validation", "test")]
    longest_embargo = max(
        (dates["days"] for dates in manifest["split"]["date_ranges"] if dates["split"] == "embargo"), default=0
    )
    selection = SelectionParams.model_validate(training["selection"])
    seeds = ", ".join(str(training["seed"] + number) for number in range(training["seeds"]))
    numbers = {name: value for name, value in network.items() if isinstance(value, int | float)}  # a bool is an int
    modules = " and ".join(list_modules(manifest)) or "no optional module"
    without = f", without {' and '.join(training['without'])}" if training["without"] else ""
    rows = [
        ["stocks", f"{run.count_stocks():,}"],
        *([split, f"{dates.first} to {dates.last}, {dates.days:,} days"] for split, dates in splits),
        [
            "gap between splits",
            "a purge, so that no label uses prices of the next split, and an embargo of "
            f"{longest_embargo} trading days",
        ],
        ["horizons", ", ".join(f"{horizon} d" for horizon in run.horizons)],
        ["features", str(manifest["features"])],
        ["graph", _format_params(manifest.get("graph"))],
        ["network", f"{_format_params(numbers)}; with {modules}{without}"],
        ["phases", "; ".join(_format_phases(training))],
        [
            "ensemble",
            f"one network for each of the seeds {seeds}; each keeps the weights with the best validation "
            f"{selection.label}. The mean of their forecasts is scored.",
        ],
        [
            "run",
            f"`{run.folder.name}`, commit `{manifest['commit'][:12]}`"
            + (", with uncommitted changes" if manifest["is_dirty"] else ""),
        ],
        ["versions", ", ".join(f"{name} {version}" for name, version in manifest["versions"].items())],
    ]
    return Table("Protocol", ("", ""), rows)


def _format_phases(training: Manifest) -> list[str]:
    """Format each phase that was trained with its epochs and losses.

    Epochs and losses follow the rules of `TrainingParams.curriculum`. A manifest of an older version may lack
    ``phase_losses`` and ``steps_per_phase``.
    """
    phases, losses = training["phases"], training.get("phase_losses", {})
    epochs = [1 if training.get("steps_per_phase") else phase["epochs"] for phase in phases]
    return [
        f"{format_phase({**phase, 'epochs': phase_epochs})}: "
        + format_value(losses.get(phase["name"]) or training["loss"] or phase["loss"])
        for phase, phase_epochs in zip(phases, distribute_epochs(epochs, training["epochs"]), strict=True)
        if phase_epochs
    ]


def _format_params(params: Any) -> str:
    return ", ".join(f"{name} {format_value(value)}" for name, value in params.items()) if params else NOT_RECORDED


def tabulate_training_time(runs: Sequence[RunEvidence], names: Sequence[str]) -> Table:
    """Tabulate the training time of each run's networks and phases."""
    header = ("run", "epochs of each network", "first network", "sum of all networks", "samples per second")
    return Table(
        "Training time",
        (
            *header,
            "share of time spent reading data",
            "seconds per epoch of the first network, by phase",
            "device, threads",
        ),
        [[name, *_format_time(run)] for run, name in zip(runs, names, strict=True)],
        "Training and validation, without the preparation of data. A sample is one stock on one day with all "
        "horizons. Rows are comparable only if nothing else ran on the machine.",
    )


def _format_time(run: RunEvidence) -> list[str]:
    device = f"{run.manifest['device']}, {run.manifest.get('threads', NOT_RECORDED)}"
    if not run.history:
        return [*["–"] * 6, device]
    epochs_by_network = [list(epochs) for _, epochs in groupby(run.history, key=lambda epoch: epoch["seed"])]
    seconds = [sum(epoch["seconds"] for epoch in epochs) for epochs in epochs_by_network]
    samples = sum(epoch["forecasts_per_second"] * epoch["seconds"] for epoch in run.history)
    reading = sum(epoch["reading_seconds"] for epoch in run.history)
    phases = {name: list(epochs) for name, epochs in groupby(epochs_by_network[0], key=lambda epoch: epoch["phase"])}
    means = {name: sum(epoch["seconds"] for epoch in epochs) / len(epochs) for name, epochs in phases.items()}
    return [
        ", ".join(str(len(epochs)) for epochs in epochs_by_network),
        f"{seconds[0]:.0f} s",
        f"{sum(seconds) / 60:.1f} min",
        f"{samples / sum(seconds):,.0f}",
        f"{reading / sum(seconds):.1%}",
        ", ".join(f"{name} {mean:.1f} s" for name, mean in means.items()),
        device,
    ]
