"""Check all parameters before a run; an error names the value and the file that sets it."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import ValidationError

from .dotted_paths import get_value
from .evaluation.baselines import BaselineParams
from .evaluation.goals import GoalParams
from .evaluation.score import ScoringParams
from .export.predict import PredictParams
from .features.build import FeatureParams
from .graph.neighbours import GraphParams
from .guard.inspection import GuardParams
from .layers import LayeredConfigLoader
from .market.cleaning import CleaningParams
from .market.simulated_drivers import MarketParams
from .network.params import NetworkParams
from .panel.folds import FoldParams
from .panel.scaler import ScalerParams
from .panel.split import SplitParams
from .panel.universe import UniverseParams
from .params import InputError, Params, suggest_name
from .schema import ColumnParams
from .search.plan import SearchParams
from .search.promoted_file import PROMOTED_FILE, is_unedited
from .services.database_url import hide_password, is_url
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
    "predict": PredictParams,
    "baselines": BaselineParams,
    "goals": GoalParams,
    "walk_forward": WalkParams,
    "hpo": SearchParams,
}
SECRET = ("hpo", "storage")  # may contain a password: its value is never printed
RUNTIME_PARAMS = {  # texts that only `--params` sets -> what reads them
    "prices": "--env files",
    "benchmark_returns": "--env benchmark",
    "ml_dataset": "--env dataset",
    "data_root": "the base catalog",
    "span": "--env benchmark",
}
CHOICES = {"span": "_spans"}  # runtime parameters that choose one key of a block of the parameter files
PATH_KEYS = ("path", "filepath")  # of catalog entries
REFERENCE = re.compile(r"\$\{([\w.]+)\}")  # a value that refers to another parameter

Keys = tuple[str, ...]  # the path of a parameter: ("market", "stocks")
Fault = tuple[Keys, str]  # a wrong parameter and the message


class ProjectConfigLoader(LayeredConfigLoader):
    """Checked configuration; the catalog reads a parameter block as ``${parameters:market}``."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._command_line: Mapping[str, Any] = self.runtime_params or {}
        OmegaConf.register_resolver("parameters", lambda path: get_value(self["parameters"], path), replace=True)

    def _load(self, key: str) -> dict[str, Any]:
        """Read one kind of configuration; refuse a ``${…}`` that cannot be resolved, and name its file."""
        try:
            loaded = super()._load(key)
        except OmegaConfBaseException as error:
            name, reason = error.full_key or key, str(error).splitlines()[0]
            source, _ = self._find_setting(tuple(re.findall(r"[^.\[\]]+", name)), key)
            raise InputError(f"{name} cannot be resolved, nothing was run: {reason} — {source}") from error
        return _expand_home(loaded) if key == "catalog" else loaded

    def require_valid_parameters(self) -> None:
        """Check every block with its model; raise one error that lists all wrong parameters."""
        self._require_known_choices()
        parameters = self._public_parameters()
        faults = [*_find_faults(parameters), *self._find_unread_params(parameters), *self._find_visible_passwords()]
        faults = faults or [*self._find_unforecast_goals(parameters)]
        self._require_unedited_promotions()
        if faults:
            count = "1 parameter is" if len(faults) == 1 else f"{len(faults)} parameters are"
            lines = "".join(f"\n  {message} — {self._find_source(keys)}" for keys, message in faults)
            raise InputError(f"{count} wrong, nothing was run:{lines}")

    def _public_parameters(self) -> dict[str, Any]:
        """Leave out blocks of files with a leading underscore: like in a catalog, only ``${…}`` uses them."""
        blocks, given = self["parameters"], self._command_line
        return {name: block for name, block in blocks.items() if name in given or not name.startswith("_")}

    def _require_known_choices(self) -> None:
        """Refuse an unknown choice; OmegaConf's error would not list the known ones."""
        for name, block in CHOICES.items():
            known = [str(key) for _, tree in self._read_trees("parameters") for key in tree.get(block, {})]
            if known and (value := self._command_line.get(name, known[0])) not in known:
                raise InputError(f"--params {name} = {value!r}: must be one of {', '.join(known)}.")

    def _find_unread_params(self, parameters: Mapping[str, Any]) -> Iterator[Fault]:
        """Find runtime parameters that no file of this environment reads; Kedro would ignore them."""
        for name, reader in RUNTIME_PARAMS.items():
            value = self._command_line.get(name)
            if value is not None and not self._is_read(name):
                yield (name,), f"{name} = {value!r}: this environment does not read it; try {reader}"
            elif value is None and name in parameters:
                yield (name,), f"{name}: set it with --params"

    def _is_read(self, name: str) -> bool:
        return any(f"runtime_params:{name}" in file.read_text() for file in self._list_files(""))

    def _find_unforecast_goals(self, parameters: Mapping[str, Any]) -> Iterator[Fault]:
        """Find goals for horizons without forecasts; goals of ``conf/base`` are ignored there."""
        horizons = parameters.get("network", {}).get("horizons")
        if horizons is None and not self._is_read("ml_dataset"):  # a user's dataset has its own horizons
            horizons = parameters.get("features", {}).get("horizons")
        for metric, goals in parameters.get("goals", {}).items():
            for name, goal in goals.items() if isinstance(goals, Mapping) else ():
                keys = ("goals", metric, name)
                if goal is None or horizons is None or name in {f"h{horizon}" for horizon in horizons}:
                    continue
                if f"/{self.base_env}/" not in self._find_setting(keys, "parameters")[0]:
                    yield keys, f"{'.'.join(keys)} = {goal!r}: forecasts are for {', '.join(map(str, horizons))} days"

    def _find_visible_passwords(self) -> Iterator[Fault]:
        """Find a password on the command line, which shells and MLflow store."""
        hpo = self._command_line.get(SECRET[0])
        url = hpo.get(SECRET[1]) if isinstance(hpo, Mapping) else None
        if isinstance(url, str) and is_url(url) and "***" in hide_password(url):
            yield SECRET, "hpo.storage: a password belongs into conf/local/parameters.yml or ~/.pgpass"

    def _require_unedited_promotions(self) -> None:
        """Refuse a promoted trial whose file was edited."""
        for file in self._list_files("parameters"):
            if file.name == PROMOTED_FILE and not is_unedited(file):
                raise InputError(
                    f"{file} is marked as a trial of a search, but was edited since. Delete the line with its digest "
                    "to keep your edits, or promote again with --force."
                )

    def _list_files(self, prefix: str) -> list[Path]:
        """List the configuration files whose names start with ``prefix``, strongest layer first."""
        folders = [Path(self.conf_source) / layer for layer in reversed(self.layers)]
        return [file for folder in folders for file in sorted(folder.glob(f"**/{prefix}*.y*ml"))]

    def _read_trees(self, prefix: str) -> list[tuple[Path, dict[str, Any]]]:
        """Read such files without resolving references."""
        return [(file, yaml.safe_load(file.read_text()) or {}) for file in self._list_files(prefix)]

    def _find_source(self, keys: Keys) -> str:
        """Name the file that sets a parameter; a reference is followed to the parameter that it names."""
        source, value = self._find_setting(keys, "parameters")
        reference = REFERENCE.fullmatch(value) if isinstance(value, str) else None
        return self._find_source(tuple(reference[1].split("."))) if reference else source

    def _find_setting(self, keys: Keys, kind: str) -> tuple[str, Any]:
        """Find the source and the value of a key: the command line, else the strongest layer that sets it."""
        depth, value = _follow(self._command_line, keys)
        if kind == "parameters" and depth == len(keys):
            return "--params", value
        found = [(file, *_follow(tree, keys)) for file, tree in self._read_trees(kind)]
        file, _, value = max(found, key=lambda match: match[1], default=(Path(self.conf_source), 0, None))
        return str(file.relative_to(Path(self.conf_source).parent)), value


def _expand_home(tree: dict[str, Any]) -> dict[str, Any]:
    """Replace ``~`` at the start of a path; a shell does not in ``--params prices=~/prices``."""
    expanded = dict(tree)
    for key, value in tree.items():
        if isinstance(value, dict):
            expanded[key] = _expand_home(value)
        elif key in PATH_KEYS and isinstance(value, str) and value.startswith("~/"):
            expanded[key] = str(Path.home() / value[2:])
    return expanded


def _find_faults(parameters: Mapping[str, Any]) -> Iterator[Fault]:
    """Find unknown names and values that their model refuses."""
    for name, block in parameters.items():
        if name in BLOCKS:
            yield from _validate_block(name, block)
        elif name not in RUNTIME_PARAMS:
            yield (name,), f"{name} = {block!r}: unknown{_suggest(name, [*BLOCKS, *RUNTIME_PARAMS])}"
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
            reason = f"unknown{_suggest(keys[-1], known)}" if is_unknown else error["msg"]
            has_value = "[key]" not in error["loc"] and error["type"] != "missing"
            value = _format_value(keys, error["input"]) if has_value else ""
            yield keys, f"{'.'.join(keys)}{value}: {reason}"


def _format_value(keys: Keys, value: Any) -> str:
    """Format a wrong value; empty for a whole block and for a value that may contain a password."""
    return "" if len(keys) == 1 or keys == SECRET else f" = {value!r}"


def _list_fields(model: type[Params], keys: Keys) -> list[str]:
    """List the fields of the model that ``keys`` lead to."""
    for key in keys:
        annotation = model.model_fields[key].annotation
        types = (annotation, *get_args(annotation))
        models = [option for option in types if isinstance(option, type) and issubclass(option, Params)]
        if not models:
            return []
        model = models[0]
    return list(model.model_fields)


def _suggest(name: str, known: list[str]) -> str:
    return suggest_name(name, known) or (f"; known are {', '.join(known)}" if known else "")


def _follow(tree: Any, keys: Keys) -> tuple[int, Any]:
    """Count how many of ``keys`` exist, and return the value at the last; a text has all remaining keys."""
    for depth, key in enumerate(keys):
        if isinstance(tree, list):
            tree = {str(index): value for index, value in enumerate(tree)}
        if depth and isinstance(tree, str):  # a ``${…}``, or losses written as "mse:1"
            return len(keys), tree
        if not isinstance(tree, Mapping) or key not in tree:
            return depth, tree
        tree = tree[key]
    return len(keys), tree
