"""The small package of plug-ins under `tests/plugin_package`, put on the path of a test."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from atft_kedro import plugins

PACKAGE = Path(__file__).parents[1] / "plugin_package"


@contextmanager
def plugin_package(*names: str) -> Iterator[None]:
    """Put the package on the path and permit some names, as the reader's parameters do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(PACKAGE / "src")
        patch.setattr(plugins, "_permitted", set(names))
        plugins.list_installed.cache_clear()
        yield
    plugins.list_installed.cache_clear()
    for module in [name for name in sys.modules if name.startswith("own_plugins")]:
        del sys.modules[module]
