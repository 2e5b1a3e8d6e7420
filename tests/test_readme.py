"""What the README says is so."""

from pathlib import Path

import pytest

from atft_kedro.features.sets import FEATURE_SETS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def test_the_feature_counts_are_those_of_the_sets() -> None:
    sizes = {name: len(features) for name, features in FEATURE_SETS.items()}

    assert f"core ({sizes['core']} features), alpha158 ({sizes['alpha158']}) or wide ({sizes['wide']})" in README


@pytest.mark.parametrize(
    "folder", sorted(path.name for path in (ROOT / "src" / "atft_kedro").iterdir() if path.is_dir())
)
def test_every_folder_is_in_the_tree(folder: str) -> None:
    assert folder == "__pycache__" or f"{folder}/`" in README


@pytest.mark.parametrize("env", sorted(path.name for path in (ROOT / "conf").iterdir() if path.is_dir()))
def test_every_environment_is_named(env: str) -> None:
    assert env == "local" or f"`{env}`" in README
