"""What the folder of a run holds, and how the configurations of two runs differ."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Any, Self

import polars as pl

from ..advice import advise_command
from ..dotted_paths import flatten
from ..evaluation.compare_baselines import NETWORK
from ..evaluation.forecast_table import FORECASTS_FILE, open_table
from ..evaluation.run_scores import DAILY, read_score
from ..evaluation.score import RunScore
from ..panel.split import SPLIT_NAMES, DateRange, Split, SplitName
from ..params import InputError
from ..schema import CODE, DATE, ENTRY_LAG, FORECASTER, HORIZON, MEMBER_PREFIX, SPLIT
from ..training.checkpoint import FIELDS_NOT_IN_IDENTITY
from ..training.params import SelectionParams
from ..training.run_status import read_history
from ..training.runs import MANIFEST, read_manifest

Manifest = Mapping[str, Any]


@dataclass(frozen=True)
class RunEvidence:
    """The manifest, the scores and the training history of a run."""

    folder: Path
    manifest: Manifest
    score: RunScore
    history: list[dict[str, Any]]  # one entry per epoch of each seed

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read a run; refuse one without scores, or of another version of the project."""
        score = read_score(folder)
        if not (folder / DAILY).exists() or ENTRY_LAG not in open_table(folder / DAILY).collect_schema():
            raise InputError(
                f"Run {folder.name} has no {DAILY} with all entries; "
                f"{advise_command(f'atft evaluate {folder.name}')} writes it."
            )
        epochs = {(epoch["seed"], epoch["epochs"]): epoch for epoch in read_history(folder)}
        return cls(folder, read_known_manifest(folder), score, list(epochs.values()))

    @property
    def horizons(self) -> list[int]:
        """List the forecast horizons in ascending order."""
        return sorted(self.score.split["test"])

    def read_days(self, horizon: int, forecaster: str = NETWORK, entry_lag: int | None = None) -> pl.DataFrame:
        """Read a forecaster's daily test scores by date; the default entry is that of the targets."""
        lag = self.score.entry_lag if entry_lag is None else entry_lag
        is_selected = (pl.col(FORECASTER) == forecaster) & (pl.col(SPLIT) == "test") & (pl.col(HORIZON) == horizon)
        return open_table(self.folder / DAILY).filter(is_selected, pl.col(ENTRY_LAG) == lag).sort(DATE).collect()

    def members(self) -> dict[str, str]:
        """Map the seed of each ensemble member to its forecaster's name."""
        if self.score.seeds:
            return {seed: MEMBER_PREFIX + seed for seed in self.score.seeds}
        return {str(self.manifest["training"]["seed"]): NETWORK}

    def count_stocks(self) -> int:
        """Count the stocks with forecasts."""
        count: int = open_table(self.folder / FORECASTS_FILE).select(pl.col(CODE).n_unique()).collect().item()
        return count

    def dates_of(self, split: SplitName) -> DateRange:
        """Return one range from the first to the last day of a split, with the number of its days."""
        ranges = Split.model_validate(self.manifest["split"]).ranges_of(split)
        return ranges[0].model_copy(update={"last": ranges[-1].last, "days": sum(dates.days for dates in ranges)})


def read_known_manifest(folder: Path) -> Manifest:
    """Read the manifest of a run; refuse one whose phases or split have another format."""
    manifest = read_manifest(folder)
    try:
        Split.model_validate(manifest["split"])
        SelectionParams.model_validate(manifest["training"]["selection"])
        is_known = all("modules" in phase for phase in manifest["training"]["phases"])
    except (KeyError, TypeError, ValueError):
        is_known = False
    if not is_known:
        raise InputError(
            f"Run {folder.name} was trained by another version of this project, and its {MANIFEST} cannot be read. "
            "Train it again, or leave it out."
        )
    return manifest


def describe_difference(manifest: Manifest, reference: Manifest) -> str:
    """Describe how the configuration of a run differs from that of a reference run.

    If the phases differ, they are listed with their epochs and days instead of by parameter.
    """
    changes = [*_describe_days(manifest, reference), *_describe_modules(manifest, reference)]
    phases, reference_phases = (
        [phase["name"] for phase in config["training"]["phases"]] for config in (manifest, reference)
    )
    ignored: tuple[str, ...] = ()
    if phases != reference_phases:
        changes.append("phases " + " then ".join(map(format_phase, manifest["training"]["phases"])))
        ignored = tuple(f"training.phases.{name}." for name in {*phases} ^ {*reference_phases})
        ignored += tuple(f"training.phases.{name}.{field}" for name in phases for field in ("epochs", "newest_days"))
    params, reference_params = map(_flatten_params, (manifest, reference))
    changes += [
        f"{path} = {format_value(params.get(path))}"
        for path in sorted(params | reference_params)
        if params.get(path) != reference_params.get(path) and not path.startswith(ignored)
    ]
    if any(manifest.get(name) != reference.get(name) for name in ("feature_hash", "features")):
        changes.append("other features")
    if not changes and manifest["panel"] != reference["panel"]:
        changes.append("other data")
    return ", ".join(changes) or "the same again"


def format_phase(phase: Mapping[str, Any]) -> str:
    """Format a phase with its epochs, and its days if they are not all."""
    newest = f" of the newest {phase['newest_days']:,} days" if phase.get("newest_days") else ""
    return f"{phase['name']} ({phase['epochs']} epochs{newest})"


def list_modules(manifest: Manifest) -> list[str]:
    """List the modules of the network that some phase switches on."""
    training = manifest["training"]
    modules = dict.fromkeys(module for phase in training["phases"] for module in phase["modules"])
    return [module for module in modules if module not in training["without"]]


def format_value(value: Any) -> str:
    """Format a parameter; weights of zero are left out."""
    if isinstance(value, Mapping):
        return " + ".join(f"{weight:g} {name}" for name, weight in value.items() if weight) or "nothing"
    if isinstance(value, list | tuple):
        return " and ".join(map(format_value, value)) or "nothing"
    return "none" if value is None else str(value)


def _describe_days(manifest: Manifest, reference: Manifest) -> Iterator[str]:
    """Yield a different first train day, and whether any other boundary differs."""
    bounds, reference_bounds = (
        {split: _find_bounds(config, split) for split in SPLIT_NAMES} for config in (manifest, reference)
    )
    (first, last), (reference_first, reference_last) = bounds.pop("train"), reference_bounds.pop("train")
    if first != reference_first:
        yield f"trained from {first}"
    if last != reference_last or bounds != reference_bounds:
        yield "other days"


def _find_bounds(manifest: Manifest, split: SplitName) -> tuple[Any, Any]:
    ranges = Split.model_validate(manifest["split"]).ranges_of(split)
    return (ranges[0].first, ranges[-1].last) if ranges else (None, None)


def _describe_modules(manifest: Manifest, reference: Manifest) -> Iterator[str]:
    modules, reference_modules = list_modules(manifest), list_modules(reference)
    yield from (f"with {module}" for module in modules if module not in reference_modules)
    yield from (f"without {module}" for module in reference_modules if module not in modules)


def _flatten_params(manifest: Manifest) -> dict[str, Any]:
    """Flatten the parameters that decide forecasts: phases by name, loss weights as one value."""
    blocks = {block: dict(manifest.get(block) or {}) for block in ("graph", "network", "training")}
    for name in (*FIELDS_NOT_IN_IDENTITY, "without", "seeds"):
        blocks["training"].pop(name, None)
    blocks["training"]["phases"] = {phase["name"]: phase for phase in manifest["training"]["phases"]}
    return flatten(blocks, is_leaf=lambda value: all(isinstance(weight, Real) for weight in value.values()))
