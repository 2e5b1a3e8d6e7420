"""Check all parameters before a run; an error names the value and the file that sets it."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from .dotted_paths import get_value
from .layers import LayeredConfigLoader
from .parameter_blocks import RUNTIME_PARAMS, SECRET, Fault, Keys, find_faults
from .params import InputError
from .plugins import permit_plugins
from .search.promoted_file import PROMOTED_FILE, is_unedited
from .services.database_url import hide_password, is_url
from .workspaces import SIMULATED

CHOICES = {"span": "_spans"}  # runtime parameters that choose one key of a block of the parameter files
PATH_KEYS = ("path", "filepath")  # of catalog entries
REFERENCE = re.compile(r"\$\{([\w.]+)\}")  # a value that refers to another parameter


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
        if key == "parameters":
            permit_plugins(loaded)
        return _expand_home(loaded) if key == "catalog" else loaded

    def require_valid_parameters(self) -> None:
        """Check every block with its model; raise one error that lists all wrong parameters."""
        self._require_known_choices()
        parameters = self._public_parameters()
        faults = [*find_faults(parameters), *self._find_unread_params(parameters), *self._find_visible_passwords()]
        faults += self._find_wrong_source(parameters.get("source", SIMULATED))
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

    def _find_wrong_source(self, source: Any) -> Iterator[Fault]:
        """Find a source of data that was set with ``--params``, or whose environment is not used."""
        if "source" in self._command_line:
            use = "leave it out" if source == SIMULATED else f"--env {source}"
            yield ("source",), f"source: it cannot be set with --params; {use}"
        elif source != SIMULATED and source not in self._find_sources(self.layers):
            yield ("source",), f"source = {source!r}: there is no environment of this name, or --env does not have it"

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
