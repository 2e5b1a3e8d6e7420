"""Test that the package runs as a module."""

import subprocess
import sys

import pytest

from factories.project import ROOT, environment


@pytest.mark.slow
def test_the_package_runs_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "atft_kedro", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        env=environment(ROOT),
    )

    assert "--no-cache" in done.stdout
