"""The model of each block of parameters, and the faults in given values."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, get_args

from pydantic import ValidationError

from .evaluation.baselines import BaselineParams
from .evaluation.goals import GoalParams
from .evaluation.score import ScoringParams
from .export.predict import PredictParams
from .features.build import FeatureParams
from .graph.neighbours import GraphParams
from .guard.inspection import GuardParams
from .live.gate import ChampionParams
from .live.ladder import LadderParams
from .live.live_checks import MonitorParams
from .market.cleaning import CleaningParams
from .market.simulated_drivers import MarketParams
from .network.params import NetworkParams
from .panel.folds import FoldParams
from .panel.scaler import ScalerParams
from .panel.split import SplitParams
from .panel.universe import UniverseParams
from .params import Params, suggest_name
from .positions.plan import PositionParams
from .schema import ColumnParams
from .search.plan import SearchParams
from .training.params import TrainingParams
from .walk_forward.walk import WalkParams

BLOCKS: dict[str, type[Params]] = {
    "market": MarketParams,
    "cleaning": CleaningParams,
    "features": FeatureParams,
    "columns": ColumnParams,
    "guard": GuardParams,
    "universe": UniverseParams,
    "split": SplitParams,
    "folds": FoldParams,
    "scaler": ScalerParams,
    "graph": GraphParams,
    "network": NetworkParams,
    "training": TrainingParams,
    "evaluation": ScoringParams,
    "positions": PositionParams,
    "predict": PredictParams,
    "champion": ChampionParams,
    "monitor": MonitorParams,
    "baselines": BaselineParams,
    "goals": GoalParams,
    "walk_forward": WalkParams,
    "hpo": SearchParams,
    "ladder": LadderParams,
}
TEXTS = ("source", "workspace")  # parameters that are names, not blocks
FOLDER_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
RUNTIME_PARAMS = {  # texts that only `--params` sets -> what reads them
    "prices": "--env files",
    "as_of": "--env jquants",
    "benchmark_returns": "--env benchmark",
    "ml_dataset": "--env dataset",
    "delistings": "the base catalog",
    "extra_tables": "the base catalog",
    "data_root": "the base catalog",
    "span": "--env benchmark",
}
SECRET = ("hpo", "storage")  # may contain a password: its value is never printed

Keys = tuple[str, ...]  # the path of a parameter: ("market", "stocks")
Fault = tuple[Keys, str]  # a wrong parameter and the message


def find_faults(parameters: Mapping[str, Any]) -> Iterator[Fault]:
    """Find unknown names and values that their model refuses."""
    for name, block in sorted(parameters.items(), key=lambda item: item[0] != "training"):  # others use its losses
        if name in BLOCKS:
            yield from _validate_block(name, block)
        elif name in TEXTS:
            if not isinstance(block, str) or not FOLDER_NAME.fullmatch(block):
                yield (name,), f"{name} = {block!r}: must start with a letter, then letters, digits, - and _"
        elif name not in RUNTIME_PARAMS:
            yield (name,), f"{name} = {block!r}: unknown{_suggest(name, [*BLOCKS, *TEXTS, *RUNTIME_PARAMS])}"
        elif not isinstance(block, str):
            yield (name,), f"{name} = {block!r}: must be text"


def _validate_block(name: str, block: Any) -> Iterator[Fault]:
    try:
        BLOCKS[name].model_validate(block)
    except ValidationError as failed:
        for error in failed.errors():
            keys = (name, *(str(key) for key in error["loc"] if key != "[key]"))
            is_unknown = error["type"] == "extra_forbidden"
            known = _list_fields(BLOCKS[name], keys[1:-1]) if is_unknown else []
            message = error["msg"].removeprefix("Value error, ")
            reason = f"unknown{_suggest(keys[-1], known)}" if is_unknown else message
            has_value = "[key]" not in error["loc"] and error["type"] != "missing"
            value = _format_value(keys, error["input"]) if has_value else ""
            yield keys, f"{'.'.join(keys)}{value}: {reason}"


def _format_value(keys: Keys, value: Any) -> str:
    """Format a wrong value; empty for a block and for a value that may contain a password."""
    return "" if isinstance(value, Mapping) or keys == SECRET else f" = {value!r}"


def _list_fields(model: type[Params], keys: Keys) -> list[str]:
    """List the fields of the model that ``keys`` lead to; a key of a mapping leads to its value."""
    for key in filter(lambda key: key in model.model_fields, keys):
        annotation = model.model_fields[key].annotation
        types = (annotation, *get_args(annotation))
        models = [option for option in types if isinstance(option, type) and issubclass(option, Params)]
        if not models:
            return []
        model = models[0]
    return list(model.model_fields)


def _suggest(name: str, known: list[str]) -> str:
    return suggest_name(name, known) or (f"; known are {', '.join(known)}" if known else "")
