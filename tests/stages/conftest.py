"""Projects that tests of the cache share."""

from pathlib import Path

import pytest

from factories.stages import TinyProject


@pytest.fixture
def tiny(tmp_path: Path) -> TinyProject:
    project = TinyProject(tmp_path)
    assert project.run() == ["add_up", "count", "multiply"]
    return project
