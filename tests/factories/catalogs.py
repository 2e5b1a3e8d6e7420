"""The project's catalog over another data folder."""

import copy
from functools import cache
from pathlib import Path
from typing import Any

from kedro.io import DataCatalog

from atft_kedro.configuration import ProjectConfigLoader
from atft_kedro.settings import CONFIG_LOADER_ARGS

CONF = Path(__file__).parents[2] / "conf"


@cache
def read_entries(root: Path) -> dict[str, Any]:
    return dict(
        ProjectConfigLoader(str(CONF), runtime_params={"data_root": str(root)}, **CONFIG_LOADER_ARGS)["catalog"]
    )


def open_catalog(root: Path) -> DataCatalog:
    no_services: dict[str, dict[str, Any]] = {"notification": {"urls": []}}
    return DataCatalog.from_config(copy.deepcopy(read_entries(root)), no_services)
