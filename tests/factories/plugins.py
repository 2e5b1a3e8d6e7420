"""The small package of plug-ins under `tests/plugin_package`, put on the path of a test."""

import shutil
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from atft_kedro import plugins, source_code

PACKAGE = Path(__file__).parents[1] / "plugin_package"


@contextmanager
def plugin_package(*names: str, installed: bool = False) -> Iterator[Path]:
    """Put a copy of the package on the path and permit some names, as the reader's parameters do.

    If it is installed, its entry points are found too.
    """
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        shutil.copytree(PACKAGE / "src", folder, dirs_exist_ok=True)
        if installed:
            write_entry_points(Path(folder))
        patch.syspath_prepend(folder)
        patch.setattr(plugins, "_permitted", set(names))
        plugins.list_installed.cache_clear()
        source_code._read_module.cache_clear()
        yield Path(folder) / "own_plugins"
    plugins.list_installed.cache_clear()
    for module in [name for name in sys.modules if name.startswith("own_plugins")]:
        del sys.modules[module]


def write_entry_points(folder: Path) -> None:
    """Write the metadata that pip writes when it installs the package."""
    project = tomllib.loads((PACKAGE / "pyproject.toml").read_text())["project"]
    info = folder / f"own_plugins-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: own-plugins\nVersion: {project['version']}\n")
    groups = project["entry-points"].items()
    lines = [f"[{group}]\n" + "".join(f"{key} = {value}\n" for key, value in names.items()) for group, names in groups]
    (info / "entry_points.txt").write_text("\n".join(lines))
