"""Every parameter block has one model; a wrong key or value is named with its file before any work."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import ValidationError

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
SECRET = {("hpo", "storage")}
WORDS = (
    "prices",
    "benchmark_returns",
    "ml_dataset",
    "data_root",
    "span",
)  # text that only `--params` gives, for files to use
CHOICES = {"span": "_spans"}  # words that choose one of several, and where a file holds them
HINTS = {
    "prices": "--env files",
    "benchmark_returns": "--env benchmark",
    "ml_dataset": "--env dataset",
    "data_root": "the base catalog",
    "span": "--env benchmark",
}


PATHS = ("path", "filepath")  # of catalog entries
REFERENCE = re.compile(r"\$\{([\w.]+)\}")  # a value that is another parameter's


class ProjectConfigLoader(LayeredConfigLoader):
    """The layers of ``conf/`` with their parameters checked; the catalog reads a block as ``${parameters:market}``."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        OmegaConf.register_resolver("parameters", self._parameter, replace=True)

    def __getitem__(self, key: str) -> dict[str, Any]:
        """Load one kind of configuration; refuse a ``${…}`` that cannot be resolved, and name its file."""
        try:
            loaded: dict[str, Any] = super().__getitem__(key)
        except OmegaConfBaseException as error:
            name, reason = error.full_key or key, str(error).splitlines()[0]
            place, _ = self._find(tuple(re.findall(r"[^.\[\]]+", name)), key)
            raise InputError(f"{name} cannot be resolved, nothing was run: {reason} — {place}") from error
        return _expand_home(loaded) if key == "catalog" else loaded

    def _parameter(self, key: str) -> Any:
        return OmegaConf.select(OmegaConf.create(self["parameters"]), key)

    def require_valid_parameters(self) -> None:
        """Check every block against its model and raise one error that names all that is wrong."""
        self._require_known_choices()
        parameters = self._own_parameters()
        complaints = [*_complaints(parameters), *self._unread_words(parameters), *self._exposed_secrets()]
        complaints = complaints or [*self._unforecast_goals(parameters)]
        self._require_as_promoted()
        wrong = [f"  {complaint} — {self._file_of(keys)}" for keys, complaint in complaints]
        if wrong:
            count = "1 parameter is" if len(wrong) == 1 else f"{len(wrong)} parameters are"
            raise InputError(f"{count} wrong, nothing was run:\n" + "\n".join(wrong))

    def _own_parameters(self) -> dict[str, Any]:
        """Leave out what files keep under a leading underscore for their other keys to use, as in Kedro's catalog."""
        given = self.runtime_params or {}
        return {name: block for name, block in self["parameters"].items() if name in given or not name.startswith("_")}

    def _require_known_choices(self) -> None:
        """Refuse a word that chooses from what a file holds, and is not there; OmegaConf's error tells of no choice."""
        for word, name in CHOICES.items():
            given = (self.runtime_params or {}).get(word, self)
            known = [str(key) for _, tree in self._trees("parameters") for key in tree.get(name, {})]
            if given is not self and known and given not in known:
                raise InputError(f"--params {word} = {given!r}: must be one of {', '.join(known)}.")

    def _unread_words(self, parameters: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
        """Complain of a word that this environment's files do not read, and would silently pass over."""
        for name in WORDS:
            given = (self.runtime_params or {}).get(name)
            if given is not None and not self._reads(name):
                yield (name,), f"{name} = {given!r}: this environment does not read it; try {HINTS[name]}"
            elif given is None and name in parameters:
                yield (name,), f"{name}: give it with --params"

    def _reads(self, word: str) -> bool:
        return any(f"runtime_params:{word}" in file.read_text() for file in self._files(""))

    def _unforecast_goals(self, parameters: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
        """Complain of goals over horizons without forecasts. Goals of the base are for those who forecast them."""
        horizons = parameters.get("network", {}).get("horizons")
        if horizons is None and not self._reads("ml_dataset"):  # an own dataset has horizons of its own
            horizons = parameters.get("features", {}).get("horizons")
        for metric, goals in parameters.get("goals", {}).items():
            for name, goal in goals.items() if isinstance(goals, Mapping) else ():
                keys = ("goals", metric, name)
                if goal is None or horizons is None or name in {f"h{horizon}" for horizon in horizons}:
                    continue
                if f"/{self.base_env}/" not in self._find(keys, "parameters")[0]:
                    yield keys, f"{'.'.join(keys)} = {goal!r}: forecasts are for {', '.join(map(str, horizons))} days"

    def _exposed_secrets(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """Complain of a password on the command line, which shells and MLflow remember."""
        hpo = (self.runtime_params or {}).get("hpo")
        url = hpo.get("storage") if isinstance(hpo, Mapping) else None
        if isinstance(url, str) and is_url(url) and "***" in hide_password(url):
            yield ("hpo", "storage"), "hpo.storage: a password belongs into conf/local/parameters.yml or ~/.pgpass"

    def _require_as_promoted(self) -> None:
        """Refuse a file that claims to be a trial of a search, and was edited since."""
        for file in self._files("parameters"):
            if file.name == PROMOTED_FILE and not is_unedited(file):
                raise InputError(
                    f"{file} says that it is a trial of a search, and was edited since. Take the line with its digest "
                    "out to make it yours, or promote again with --force."
                )

    def _files(self, name: str) -> list[Path]:
        """List the files whose names start so, those of the strongest layer first."""
        folders = [Path(self.conf_source) / layer for layer in reversed(self.layers)]
        return [file for folder in folders for file in sorted(folder.glob(f"**/{name}*.y*ml"))]

    def _trees(self, name: str) -> list[tuple[Path, dict[str, Any]]]:
        """Read what such files hold, with nothing resolved."""
        return [(file, yaml.safe_load(file.read_text()) or {}) for file in self._files(name)]

    def _file_of(self, keys: tuple[str, ...]) -> str:
        """Name what sets a parameter; one that is another's value is set where that one is."""
        place, value = self._find(keys, "parameters")
        reference = REFERENCE.fullmatch(value) if isinstance(value, str) else None
        return self._file_of(tuple(reference[1].split("."))) if reference else place

    def _find(self, keys: tuple[str, ...], kind: str) -> tuple[str, Any]:
        """Find what sets a key, and to which value: the command line, else a file of the strongest layer that does."""
        depth, value = _follow(self.runtime_params, keys)
        if kind == "parameters" and depth == len(keys):
            return "--params", value
        found = [(file, *_follow(tree, keys)) for file, tree in self._trees(kind)]
        file, _, value = max(found, key=lambda each: each[1], default=(Path(self.conf_source), 0, None))
        return str(file.relative_to(Path(self.conf_source).parent)), value


def _expand_home(tree: dict[str, Any]) -> dict[str, Any]:
    """Replace the ``~`` that begins a path; shells do not in ``--params prices=~/prices``."""
    expanded = dict(tree)
    for key, value in tree.items():
        if isinstance(value, dict):
            expanded[key] = _expand_home(value)
        elif key in PATHS and isinstance(value, str) and value.startswith("~/"):
            expanded[key] = str(Path.home() / value[2:])
    return expanded


def _complaints(parameters: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    for name, block in parameters.items():
        if name in BLOCKS:
            yield from _block_complaints(name, block)
        elif name not in WORDS:
            yield (name,), f"{name} = {block!r}: unknown{_suggest(name, [*BLOCKS, *WORDS])}"
        elif not isinstance(block, str):
            yield (name,), f"{name} = {block!r}: must be text"


def _block_complaints(name: str, block: Any) -> Iterator[tuple[tuple[str, ...], str]]:
    try:
        BLOCKS[name].model_validate(block)
    except ValidationError as failed:
        for error in failed.errors():
            keys = (name, *(str(part) for part in error["loc"] if part != "[key]"))
            unknown = error["type"] == "extra_forbidden"
            said = f"unknown{_suggest(keys[-1], _fields(BLOCKS[name], keys[1:-1]))}" if unknown else error["msg"]
            shown = "" if "[key]" in error["loc"] else _show(keys, error["input"])
            yield keys, f"{'.'.join(keys)}{shown}: {said}"


def _show(keys: tuple[str, ...], given: Any) -> str:
    """Write what was given, but no whole block, and nothing that may hold a password."""
    return "" if len(keys) == 1 or keys in SECRET else f" = {given!r}"


def _fields(model: type[Params], keys: tuple[str, ...]) -> list[str]:
    for key in keys:
        kind = model.model_fields[key].annotation
        models = [each for each in (kind, *get_args(kind)) if isinstance(each, type) and issubclass(each, Params)]
        if not models:
            return []
        model = models[0]
    return list(model.model_fields)


def _suggest(name: str, known: list[str]) -> str:
    return suggest_name(name, known) or (f"; known are {', '.join(known)}" if known else "")


def _follow(tree: Any, keys: tuple[str, ...]) -> tuple[int, Any]:
    """Count how far ``keys`` lead into mappings and lists, and return what is there; text holds all others."""
    for depth, key in enumerate(keys):
        if isinstance(tree, list):
            tree = {str(place): value for place, value in enumerate(tree)}
        if depth and isinstance(tree, str):  # a ``${…}``, or losses written as "mse:1"
            return len(keys), tree
        if not isinstance(tree, Mapping) or key not in tree:
            return depth, tree
        tree = tree[key]
    return len(keys), tree
