"""What counts as a definition's code: what it reaches, through imports; not comments, not its neighbours."""

import importlib
from pathlib import Path

import pytest

import atft_kedro
from atft_kedro import source_code
from atft_kedro.source_code import hash_code


def test_code_counts_through_imports_and_comments_do_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(atft_kedro.__spec__, "submodule_search_locations", [*atft_kedro.__path__, str(tmp_path)])
    monkeypatch.setattr(atft_kedro, "__path__", atft_kedro.__spec__.submodule_search_locations)
    (tmp_path / "made_node.py").write_text("from .made_helper import half\n\ndef work(x):\n    return half(x)\n")
    hashes = []
    for text in (
        "def half(x): return x / 2\n",
        "# halves\ndef half(x):  return x / 2\n",
        "def half(x): return x / 3\n",
    ):
        (tmp_path / "made_helper.py").write_text(text)
        source_code._read_module.cache_clear()
        importlib.invalidate_caches()
        hashes.append(hash_code(importlib.import_module("atft_kedro.made_node").work))
    source_code._read_module.cache_clear()

    assert hashes[0] == hashes[1]
    assert hashes[0] != hashes[2]


def test_a_node_depends_on_the_code_it_names_and_not_on_other_code_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(atft_kedro.__spec__, "submodule_search_locations", [*atft_kedro.__path__, str(tmp_path)])
    monkeypatch.setattr(atft_kedro, "__path__", atft_kedro.__spec__.submodule_search_locations)
    (tmp_path / "made_pair.py").write_text(
        "from .made_left import left\nfrom .made_right import right\nSCALE = 2\n"
        "def one(x):\n    return left(x) * SCALE\ndef two(x):\n    return right(x)\n"
    )
    (tmp_path / "made_right.py").write_text("def right(x): return x\n")

    def hashes(body: str) -> tuple[str, str]:
        (tmp_path / "made_left.py").write_text(f"def left(x): return {body}\n")
        source_code._read_module.cache_clear()
        importlib.invalidate_caches()
        pair = importlib.import_module("atft_kedro.made_pair")
        return hash_code(pair.one), hash_code(pair.two)

    before, after = hashes("x"), hashes("-x")
    assert before[0] != after[0]
    assert before[1] == after[1]


def test_other_packages_do_not_change_the_hash() -> None:
    assert hash_code(Path.exists) == "pathlib"
