"""Test that names and sentences are plain, and that the documents name existing files."""

import ast
import re
from pathlib import Path

import pytest

from code_measures import (
    ROOT,
    WORDS,
    Module,
    find_docstring_faults,
    find_shared_class_names,
    find_vague_names,
    find_vague_texts,
    list_defined,
    list_texts,
    read_modules,
)

MODULES = read_modules(ROOT)
TESTS = sorted((ROOT / "tests").rglob("*.py"))
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "conf").rglob("*.yml"))]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_a_module_has_no_vague_word_and_short_docstrings(module: Module) -> None:
    assert find_vague_names(module.tree) == []
    assert find_vague_texts(list_texts(module.text)) == []
    assert find_docstring_faults(module) == []


def test_tests_have_no_vague_words() -> None:
    texts = {path: path.read_text() for path in TESTS if path != Path(__file__)}
    vague = {
        path: find_vague_names(ast.parse(text)) + find_vague_texts(list_texts(text)) for path, text in texts.items()
    }

    assert {path: words for path, words in vague.items() if words} == {}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_document_has_no_vague_words(path: Path, request: pytest.FixtureRequest) -> None:
    if path.name == "benchmarks.md":
        request.applymarker(
            pytest.mark.xfail(strict=True, reason="it was written by an earlier version of the command")
        )
    assert find_vague_texts(enumerate(path.read_text().splitlines(), start=1)) == []


def test_no_two_classes_share_a_name() -> None:
    assert find_shared_class_names(MODULES) == {}


def test_every_exception_is_still_needed() -> None:
    names = {name for path in TESTS for name in list_defined(ast.parse(path.read_text()))}
    names |= {name for module in MODULES for name in list_defined(module.tree)}

    assert set(WORDS["exceptions"]) <= names


def test_a_vague_word_is_found() -> None:
    tree = ast.parse("def tell_user(told: int) -> None:\n    mine = told\n    heading = take = mine")

    assert find_vague_names(tree) == ["mine", "take", "tell_user", "told"]
    assert find_vague_texts([(1, "However it went, nobody is told.")]) == [
        *("line 1: 'is told'", "line 1: 'However it went'", "line 1: 'nobody'"),
    ]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_named_in_a_document_exist(path: Path) -> None:
    """Check paths below the folders of the repository; data, mlruns and user's files do not count."""
    text = path.read_text()
    named = re.findall(r"(?<![\w/.-])((?:src|docs|conf|tests|notebooks)/[\w./-]*\w)", text)
    if path.suffix == ".md":
        links = re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", text)
        assert [link for link in links if not (path.parent / link).exists()] == []

    written_by_users = ("conf/local", "conf/best")
    assert [name for name in named if not (ROOT / name).exists() and not name.startswith(written_by_users)] == []
