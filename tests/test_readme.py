"""The commands, parameters, paths and counts in the README and its pages exist."""

import re
import shlex
from pathlib import Path
from typing import get_args, get_origin

import click
import pytest

from atft_kedro.cli import cli
from atft_kedro.features.build import FEATURE_SETS
from atft_kedro.parameter_blocks import BLOCKS, RUNTIME_PARAMS
from atft_kedro.params import Params
from atft_kedro.pipeline_registry import register_pipelines

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
TEXT = README + "".join(page.read_text() for page in sorted((ROOT / "docs").glob("*.md")))
MAKEFILE = (ROOT / "Makefile").read_text()
OTHERS = {"viz", "package", "airflow", "…"}  # commands of Kedro and its plugins, and unnamed ones
MISTAKES = {"market.stoks"}  # shown with the error that they cause
# Paths of the checkout in the pages and in comments of the configuration; those of the user's own files are examples.
CONFIGURATION = "".join(path.read_text() for path in sorted((ROOT / "conf").rglob("*.yml")))
PATHS = sorted(set(re.findall(r"(?<![\w./$}])(?:src|tests|docs|conf)/[\w./-]*\w", TEXT + CONFIGURATION)))
EXAMPLES = ("conf/local/", "conf/best")


def list_commands(program: str) -> list[str]:
    """List the commands of a program in lines of code and between backticks, without its name."""
    joined = re.sub(r"\\\n\s*", "", TEXT)
    code = re.findall(r"^ {4}(.+)$", joined, flags=re.MULTILINE) + re.findall(r"`([^`\n]+)`", joined)
    found = [re.search(rf"(?:^|[\s/]){program} (\S[^|>;&]*)", line.split("# ")[0]) for line in code if "{" not in line]
    return sorted({match[1].strip() for match in found if match})


def is_parameter(name: str) -> bool:
    block, *keys = name.split(".")
    model: type[Params] | None = BLOCKS.get(block)
    if model is None:
        return not keys and block in RUNTIME_PARAMS
    is_entry = False  # of a mapping, whose names are its own
    for key in keys:
        if is_entry:
            is_entry = False
            continue
        if model is None:
            return True
        if key not in model.model_fields:
            return False
        kind = model.model_fields[key].annotation
        is_entry = get_origin(kind) is dict
        model = next(
            (type_ for type_ in (kind, *get_args(kind)) if isinstance(type_, type) and issubclass(type_, Params)), None
        )
    return True


def require_options(command: click.Command, words: list[str]) -> None:
    """Parse options with click, which refuses unknown ones; check that named parameters and pipelines exist."""
    options, _, _ = command.make_parser(click.Context(command)).parse_args(words)
    given = re.findall(r"(?:^|,)([a-z_][\w.]*)=", options.get("params") or "")
    assert [name for name in given if not is_parameter(name) and name not in MISTAKES] == []
    pipelines = (options.get("pipelines") or options.get("pipeline") or "__default__").split(",")
    assert set(pipelines) <= set(register_pipelines())


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


@pytest.mark.parametrize("typed", list_commands("kedro"))
def test_every_kedro_command_in_the_readme_exists_with_its_options(typed: str) -> None:
    words, command = shlex.split(typed), cli
    while isinstance(command, click.Group) and words and words[0] not in OTHERS:
        command = command.commands[words.pop(0)]
    if not isinstance(command, click.Group):
        require_options(command, words)


@pytest.mark.parametrize("typed", list_commands("make"))
def test_every_make_target_in_the_readme_exists(typed: str) -> None:
    targets = [word for word in typed.split() if "=" not in word]

    assert [
        target
        for target in targets
        if not re.search(rf"^(?:[\w-]+ )*{target}(?: [\w-]+)*:", MAKEFILE, flags=re.MULTILINE)
    ] == []


@pytest.mark.parametrize("path", [path for path in PATHS if not path.startswith(EXAMPLES)])
def test_every_named_path_exists(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize("path", sorted(set(re.findall(r"data/(0[2-8]_\w+/[\w-]+\.\w+)", TEXT))))
def test_every_named_data_file_is_in_the_catalog(path: str) -> None:
    assert path in (ROOT / "conf" / "base" / "catalog.yml").read_text()


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.name)
def test_every_page_is_linked_from_the_readme(page: Path) -> None:
    assert f"](docs/{page.name})" in README
