"""Every parameter block has one model; a wrong key or value is named with its file before any work."""

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from kedro.config import OmegaConfigLoader
from omegaconf import OmegaConf
from pydantic import ValidationError

from .evaluation.baselines import BaselineParams
from .evaluation.score import EvaluationParams
from .evaluation.targets import TargetParams
from .features.sets import FeatureParams
from .graph.choice import GraphParams
from .guard.inspection import GuardParams
from .handoff.predicting import PredictParams
from .market.admission import AdmissionParams
from .market.latent import MarketParams
from .network.sizes import NetworkParams
from .operations.database_url import hide, is_url
from .operations.walk import WalkParams
from .panel.folds import FoldParams
from .panel.scaler import ScalerParams
from .panel.split import SplitParams
from .panel.universe import UniverseParams
from .params import InputError, Params
from .schema import ColumnParams
from .search.claim import PROMOTED, is_as_promoted
from .search.plan import SearchParams
from .training.mode import TrainingParams

BLOCKS: dict[str, type[Params]] = {
    "market": MarketParams,
    "admission": AdmissionParams,
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
    "evaluation": EvaluationParams,
    "predict": PredictParams,
    "baselines": BaselineParams,
    "targets": TargetParams,
    "walk_forward": WalkParams,
    "hpo": SearchParams,
}
SECRET = {("hpo", "storage")}
WORDS = ("prices", "labels", "ml_dataset", "data_root", "span")  # text that only `--params` gives, for files to use
CHOICES = {"span": "_spans"}  # words that choose one of several, and where a file holds them
HINTS = {
    "prices": "--env files",
    "labels": "--env benchmark",
    "ml_dataset": "--env dataset",
    "data_root": "the base catalog",
    "span": "--env benchmark",
}


class ProjectConfigLoader(OmegaConfigLoader):
    """Kedro's loader; in the catalog, ``${parameters:market}`` is a parameter block."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        OmegaConf.register_resolver("parameters", self._parameter, replace=True)

    def _parameter(self, key: str) -> Any:
        return OmegaConf.select(OmegaConf.create(self["parameters"]), key)

    def require_valid_parameters(self) -> None:
        """Check every block against its model and raise one error that names all that is wrong."""
        self._require_known_choices()
        complaints = [*_complaints(self._own_parameters()), *self._unread_words(), *self._exposed_secrets()]
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
            files = [file for folder in self._folders() for file in sorted(folder.glob("**/parameters*.y*ml"))]
            known = [str(key) for file in files for key in OmegaConf.select(OmegaConf.load(file), name, default={})]
            if given is not self and known and given not in known:
                raise InputError(f"--params {word} = {given!r}: must be one of {', '.join(known)}.")

    def _unread_words(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """Complain of a word that this environment's files do not read, and would silently pass over."""
        said = "".join(file.read_text() for folder in self._folders() for file in folder.glob("**/*.y*ml"))
        for name in WORDS:
            given = (self.runtime_params or {}).get(name)
            if given is not None and f"runtime_params:{name}" not in said:
                yield (name,), f"{name} = {given!r}: this environment does not read it; try {HINTS[name]}"
            elif given is None and name in self["parameters"]:
                yield (name,), f"{name}: give it with --params"

    def _exposed_secrets(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """Complain of a password on the command line, which shells and MLflow remember."""
        hpo = (self.runtime_params or {}).get("hpo")
        url = hpo.get("storage") if isinstance(hpo, Mapping) else None
        if isinstance(url, str) and is_url(url) and "***" in hide(url):
            yield ("hpo", "storage"), "hpo.storage: a password belongs into conf/local/parameters.yml or ~/.pgpass"

    def _require_as_promoted(self) -> None:
        """Refuse a file that claims to be a trial of a search, and was edited since."""
        for file in self._folders()[0].glob(f"**/{PROMOTED}"):
            if not is_as_promoted(file):
                raise InputError(
                    f"{file} says that it is a trial of a search, and was edited since. Take the line with its digest "
                    "out to make it yours, or promote again with --force."
                )

    def _folders(self) -> list[Path]:
        """Name the folders of the environment and of the base."""
        return [Path(self.conf_source) / str(env) for env in (self.env or self.default_run_env, self.base_env)]

    def _file_of(self, keys: tuple[str, ...]) -> str:
        """Find who sets a key, the last word first: the command line, the environment, the base."""
        if _depth(self.runtime_params or {}, keys) == len(keys):
            return "--params"
        files = [file for folder in self._folders() for file in sorted(folder.glob("**/parameters*.y*ml"))]
        depths = [(_depth(OmegaConf.to_container(OmegaConf.load(file)), keys), file) for file in files]
        deepest = max(depths, key=lambda pair: pair[0], default=(0, Path(self.conf_source)))[1]
        return str(deepest.relative_to(Path(self.conf_source).parent))


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
            keys = (name, *map(str, error["loc"]))
            unknown = error["type"] == "extra_forbidden"
            said = f"unknown{_suggest(keys[-1], _fields(BLOCKS[name], keys[1:-1]))}" if unknown else error["msg"]
            yield keys, f"{'.'.join(keys)}{_show(keys, error['input'])}: {said}"


def _show(keys: tuple[str, ...], given: Any) -> str:
    """Write what was given, but no whole block, and nothing that may hold a password."""
    return "" if len(keys) == 1 or keys in SECRET else f" = {given!r}"


def _fields(model: type[Params], keys: tuple[str, ...]) -> list[str]:
    for key in keys:
        inner = model.model_fields[key].annotation
        if not (isinstance(inner, type) and issubclass(inner, Params)):
            return []
        model = inner
    return list(model.model_fields)


def _suggest(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]}?" if close else f"; known are {', '.join(known)}"


def _depth(tree: Any, keys: tuple[str, ...]) -> int:
    """Count how far ``keys`` lead into nested mappings and lists; what comes from elsewhere is there whole."""
    for depth, key in enumerate(keys):
        if isinstance(tree, list):
            tree = {str(place): value for place, value in enumerate(tree)}
        if depth and isinstance(tree, str) and tree.startswith("${"):
            return len(keys)
        if not isinstance(tree, Mapping) or key not in tree:
            return depth
        tree = tree[key]
    return len(keys)
