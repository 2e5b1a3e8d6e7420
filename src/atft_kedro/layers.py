"""Layers of configuration: ``conf/base``, ``conf/local``, then the environments of ``--env``; the last one wins."""

from collections.abc import Iterable
from copy import deepcopy
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

import yaml
from kedro.config import OmegaConfigLoader
from omegaconf import DictConfig, OmegaConf

from .params import InputError


class LayeredConfigLoader(OmegaConfigLoader):
    """Merge all layers first, and resolve ``${…}`` in the result.

    A value that refers to another one follows whatever layer sets that. Kedro's own loader reads one environment, and
    resolves ``conf/base`` before it merges.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._loaded: dict[str, dict[str, Any] | None] = {}  # by kind; None while it is being loaded
        super().__init__(*args, **kwargs)

    def __getitem__(self, key: str) -> dict[str, Any]:
        """Return one kind of configuration; it is loaded once, because Kedro uses it many times."""
        if key in self.data:  # set by a caller
            given: dict[str, Any] = super().__getitem__(key)
            return given
        if key not in self._loaded:
            self._loaded[key] = None
            try:
                self._loaded[key] = self._load(key)
            finally:
                if self._loaded[key] is None:
                    del self._loaded[key]
        loaded = self._loaded[key]
        if loaded is None:
            raise InputError(f"A file of {key} cannot use ${{{key}:…}}: write ${{block.name}} instead.")
        return deepcopy(loaded)

    def _load(self, key: str) -> dict[str, Any]:
        """Read, merge and resolve one kind of configuration."""
        loaded: dict[str, Any] = super().__getitem__(key)
        return loaded

    @cached_property
    def layers(self) -> list[str]:
        """List the layers, the strongest last; a repeated name counts at its last position.

        The environment of the source that ``conf/local`` sets comes before ``conf/local``; it is left out if an
        environment of ``--env`` is another source.
        """
        optional = [self.default_run_env] if self._exists(self.default_run_env) else []
        sources = [source for layer in optional if (source := self._read_source(layer)) and self._exists(source)]
        preset = [name for name in sources if name in self.environments or not self._find_sources(self.environments)]
        order = [self.base_env, *preset, *optional, *(name for name in self.environments if name not in preset)]
        return list(dict.fromkeys(reversed(order)))[::-1]

    @property
    def environments(self) -> list[str]:
        """List the environments of ``--env``."""
        return [name.strip() for name in self.env.split(",")] if self.env else []

    def _find_sources(self, layers: Iterable[str]) -> dict[str, str]:
        """Map those layers that set a source of data to it."""
        return {layer: source for layer in layers if (source := self._read_source(layer))}

    def _read_source(self, layer: str) -> str | None:
        """Read which source of data the parameter files of a layer set."""
        folder = Path(self._get_conf_env_path(layer)).as_posix()
        for file in sorted(self._fs.glob(f"{folder}/parameters*.y*ml")):  # the configuration may be an archive
            try:
                tree = yaml.safe_load(self._fs.cat_file(file))
            except yaml.YAMLError as error:
                raise InputError(f"{file} is not valid YAML: {error}") from error
            if isinstance(tree, dict) and isinstance(tree.get("source"), str):
                source: str = tree["source"]
                return source
        return None

    def _exists(self, layer: str) -> bool:
        return bool(layer) and bool(self._fs.isdir(self._get_conf_env_path(layer)))

    def _require_layers(self) -> None:
        """Refuse unknown environments and list the existing ones; refuse two sources of data."""
        sources = self._find_sources(self.environments)
        if len(set(sources.values())) > 1:
            raise InputError(f"--env {self.env} has {len(sources)} sources of data, {', '.join(sources)}: choose one.")
        unknown = [layer for layer in self.layers if not self._exists(layer)]
        if unknown:
            root = Path(self._get_conf_env_path(self.base_env)).parent.as_posix()
            folders = [
                Path(entry["name"]).name for entry in self._fs.ls(root, detail=True) if entry["type"] == "directory"
            ]
            known = ", ".join(sorted({*folders} - {self.base_env}))
            raise InputError(
                f"There is no environment {', '.join(map(repr, unknown))} in {root}; existing ones: {known}."
            )

    def _read_raw_config(self, key: str) -> tuple[dict[Path, DictConfig], dict[Path, DictConfig], str, str, set[Path]]:
        """Read and merge the files of all layers; Kedro resolves the result and merges ``--params`` into it."""
        self._require_layers()
        files: set[Path] = set()
        paths = [self._get_conf_env_path(layer) for layer in self.layers]
        read = [self._read_dir_configs(path, self.config_patterns[key], key, files).values() for path in paths]
        merged = self._merge(key, list(chain.from_iterable(read)))
        if key == "credentials":
            self._resolve_environment_variables(merged)
        return {Path(paths[-1]): merged}, {}, paths[0], paths[-1], files

    def _merge(self, key: str, configs: list[DictConfig]) -> DictConfig:
        """Merge blocks key by key where the strategy is soft; else a layer's entry replaces an earlier one whole."""
        if self.merge_strategy.get(key) == "soft":
            merged = OmegaConf.unsafe_merge(OmegaConf.create({}), *configs)
        else:
            merged = OmegaConf.create({name: value for config in configs for name, value in _plain(config).items()})
        assert isinstance(merged, DictConfig)
        return merged


def _plain(config: DictConfig) -> dict[Any, Any]:
    tree = OmegaConf.to_container(config, resolve=False)
    assert isinstance(tree, dict)
    return tree
