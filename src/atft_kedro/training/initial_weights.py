"""Start of a new run from the best weights of an earlier one, of an equal network and equal features."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from ..dotted_paths import compare_trees
from ..files import parse_model
from ..network.params import NetworkParams
from ..panel.split import Split
from ..panel.store import PanelMetadata
from ..params import InputError
from .checkpoint import BEST, load_checkpoint, require_same_structure
from .engine import Trainer
from .params import TrainingParams
from .run_status import read_training
from .runs import LATEST, MANIFEST, Runs, StoredFields, read_manifest

FIELDS_NOT_IN_WEIGHTS = {"dropout", "graph_dropout", "head_dropout", "layer_scale", "output_init", "horizons"}


def resolve_init_from(training: TrainingParams, runs: Runs) -> TrainingParams:
    """Replace ``latest`` by the name of a run; a resumed run keeps the run that it started from."""
    name = training.init_from
    if training.resume is not None and name in (None, LATEST):
        name = read_manifest(runs.find(training.resume))["training"].get("init_from")
    elif name is not None:
        name = runs.find(name).name
    return training.model_copy(update={"init_from": name})


def require_usable_weights(trainer: Trainer, metadata: PanelMetadata, split: Split, source: Path) -> None:
    """Refuse weights of another network or other features, or that have learned from later days."""
    if changes := find_differences(source, trainer.network.params, metadata.feature_hash, metadata.horizons):
        raise InputError(
            f"The weights of run {source.name} do not fit: it was trained with {changes}. Train from scratch, with "
            "training.init_from=null."
        )
    learned_until, last_day = find_learned_until(read_manifest(source)), split.ranges_of("validation")[-1].last
    if learned_until > last_day:
        raise InputError(
            f"Run {source.name} has learned from days until {learned_until}, but validation ends on {last_day}: scores "
            "of the days between would be too good. Move the days (`split:`), or train from scratch, with "
            "training.init_from=null."
        )
    trained_until, first_day = find_trained_until(read_manifest(source)), split.ranges_of("validation")[0].first
    if trained_until >= first_day:
        raise InputError(
            f"Run {source.name} was trained on days until {trained_until}, but validation begins on {first_day}: the "
            "best weights would be chosen by learned days. Move the days (`split:`), or train from scratch, with "
            "training.init_from=null."
        )
    load_initial_weights(trainer, source)


def find_differences(
    source: Path, network: NetworkParams, feature_hash: str, horizons: Sequence[int] | None = None
) -> str:
    """List the differences that keep the weights of a run from fitting; empty if they fit."""
    manifest = read_manifest(source)
    stored = parse_model(manifest["network"], NetworkParams, source / MANIFEST)
    stored_horizons = manifest.get("horizons") or stored.horizons or horizons
    changes = compare_trees(
        _describe(stored, manifest["feature_hash"], stored_horizons),
        _describe(network, feature_hash, horizons or stored_horizons),
    )
    return "; ".join(f"{path} = {old} instead of {new}" for path, (old, new) in changes.items())


def _describe(network: NetworkParams, feature_hash: str, horizons: Sequence[int] | None) -> dict[str, Any]:
    """Collect what decides whether weights fit."""
    sizes = network.model_dump(mode="json", exclude=FIELDS_NOT_IN_WEIGHTS)
    return {"network": sizes, "feature_hash": feature_hash, "horizons": list(horizons or ())}


def load_initial_weights(trainer: Trainer, source: Path) -> int:
    """Load a run's best weights of the trainer's seed, else of its first seed; return that seed."""
    training = read_training(source)
    seed = trainer.params.seed if trainer.params.seed in training.all_seeds else training.seed
    path = source / training.member_folder(seed) / BEST
    checkpoint = load_checkpoint(path)
    require_same_structure(path, checkpoint, {"best": trainer.best})
    for network in (trainer.network, trainer.ema, trainer.swa):
        network.load_state_dict(checkpoint["best"])
    trainer.best = checkpoint["best"]
    return seed


def find_learned_until(manifest: StoredFields) -> date:
    """Find the last train or validation day of a run and of the runs that it started from."""
    if "learned_until" in manifest:
        return date.fromisoformat(manifest["learned_until"])
    split = parse_model(manifest["split"], Split, manifest.path)  # an older run
    return max(dates.last for dates in (*split.ranges_of("train"), *split.ranges_of("validation")))


def find_trained_until(manifest: StoredFields) -> date:
    """Find the last train day of a run and of the runs that it started from."""
    if "trained_until" in manifest:
        return date.fromisoformat(manifest["trained_until"])
    return max(dates.last for dates in parse_model(manifest["split"], Split, manifest.path).ranges_of("train"))
