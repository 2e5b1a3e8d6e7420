"""Configuration loaders on a copy of the project's configuration."""

from pathlib import Path
from typing import Any

import yaml

from atft_kedro.configuration import ProjectConfigLoader
from atft_kedro.settings import CONFIG_LOADER_ARGS


def load(conf: Path, env: str | None = None, params: dict[str, Any] | None = None) -> ProjectConfigLoader:
    return ProjectConfigLoader(str(conf), env=env, runtime_params=params, **CONFIG_LOADER_ARGS)


def write(conf: Path, name: str, tree: dict[str, Any]) -> None:
    (conf / name).parent.mkdir(exist_ok=True)
    (conf / name).write_text(yaml.safe_dump(tree))
