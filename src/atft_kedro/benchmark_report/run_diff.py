"""What a run was made of, in few words, and in what it differs from another."""

from collections.abc import Iterator, Mapping
from numbers import Real
from typing import Any

from ..dotted import flatten
from ..panel.split import SPLIT_NAMES, Split
from ..training.checkpoint import FIELDS_NOT_IN_IDENTITY

Manifest = Mapping[str, Any]
BLOCKS = ("graph", "network", "training")
DATA = {"feature_hash": "other features", "features": "other features"}


def name_difference(mine: Manifest, theirs: Manifest) -> str:
    """Say in what one recipe differs from another."""
    told = [*_tell_days(mine, theirs), *_tell_parts(mine, theirs)]
    flat, other = (_flatten_recipe(manifest) for manifest in (mine, theirs))
    ours, known = ([phase["name"] for phase in manifest["training"]["phases"]] for manifest in (mine, theirs))
    retold: tuple[str, ...] = ()
    if ours != known:
        told.append("phases " + " then ".join(map(tell_phase, mine["training"]["phases"])))
        retold = tuple(f"training.phases.{name}." for name in {*ours} ^ {*known})
        retold += tuple(f"training.phases.{name}.{what}" for name in ours for what in ("epochs", "newest_days"))
    for name in sorted(flat | other):
        if flat.get(name) != other.get(name) and not name.startswith(retold):
            told.append(f"{name} = {say_value(flat.get(name))}")
    told += sorted({words for name, words in DATA.items() if mine.get(name) != theirs.get(name)})
    if not told and mine["panel"] != theirs["panel"]:
        told.append("other data")
    return ", ".join(told) or "the same again"


def tell_phase(phase: Mapping[str, Any]) -> str:
    """Say how long a phase lasts, and on which days where not on all."""
    newest = f" of the newest {phase['newest_days']:,} days" if phase.get("newest_days") else ""
    return f"{phase['name']} ({phase['epochs']} epochs{newest})"


def list_parts(manifest: Manifest) -> list[str]:
    """List the parts of the network that some phase switches on."""
    training = manifest["training"]
    named = dict.fromkeys(part for phase in training["phases"] for part in phase["modules"])
    return [part for part in named if part not in training["without"]]


def say_value(value: Any) -> str:
    """Write a parameter."""
    if isinstance(value, Mapping):
        return " + ".join(f"{each:g} {name}" for name, each in value.items() if each) or "nothing"
    if isinstance(value, list | tuple):
        return " and ".join(map(say_value, value)) or "nothing"
    return "none" if value is None else str(value)


def _tell_days(mine: Manifest, theirs: Manifest) -> Iterator[str]:
    """Tell the first train day where that differs, and whether any other border does."""
    one, other = ({part: _bounds(manifest, part) for part in SPLIT_NAMES} for manifest in (mine, theirs))
    if one["train"][0] != other["train"][0]:
        yield f"trained from {one['train'][0]}"
    if one["train"][1] != other["train"][1] or any(one[part] != other[part] for part in SPLIT_NAMES[1:]):
        yield "other days"


def _bounds(manifest: Manifest, part: Any) -> tuple[Any, ...]:
    stretches = Split.model_validate(manifest["split"]).ranges_of(part)
    return (stretches[0].first, stretches[-1].last) if stretches else (None, None)


def _tell_parts(mine: Manifest, theirs: Manifest) -> Iterator[str]:
    one, other = (list_parts(manifest) for manifest in (mine, theirs))
    yield from (f"with {part}" for part in one if part not in other)
    yield from (f"without {part}" for part in other if part not in one)


def _flatten_recipe(manifest: Manifest) -> dict[str, Any]:
    """Flatten what decides a run's numbers: phases by their names, weights as one value."""
    blocks = {block: dict(manifest.get(block) or {}) for block in BLOCKS}
    for name in (*FIELDS_NOT_IN_IDENTITY, "without", "seeds"):
        blocks["training"].pop(name, None)
    blocks["training"]["phases"] = {phase["name"]: phase for phase in manifest["training"]["phases"]}
    return flatten(blocks, is_leaf=lambda value: all(isinstance(weight, Real) for weight in value.values()))
