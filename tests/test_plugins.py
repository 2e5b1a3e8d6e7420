"""Test that plug-ins are loaded by name, and only where the reader names them."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType

import pytest

from atft_kedro import plugins, source_code
from atft_kedro.params import InputError
from atft_kedro.plugins import hash_plugin, list_permitted, load_plugin, permit_plugins

SOURCE = "def halved(inputs):\n    return inputs.point.mean((0, 2)) / 2\n\nNUMBER = 3\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the module `own_losses`, on the path."""
    (tmp_path / "own_losses.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(plugins, "_permitted", set())
    plugins.list_installed.cache_clear()
    yield tmp_path
    plugins.list_installed.cache_clear()
    sys.modules.pop("own_losses", None)


def install(folder: Path, kind: str, entry: str) -> None:
    """Install a distribution that has one entry point, as pip does."""
    info = folder / f"own_{kind}-1.0.dist-info"
    info.mkdir()
    plugins.list_installed.cache_clear()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: own_{kind}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[atft_kedro.{kind}]\n{entry}\n")


def test_a_name_in_the_readers_parameters_is_permitted_at_any_depth() -> None:
    permit_plugins({"training": {"losses": {"extra": {"half": "own_losses:halved"}}}, "other": ["a.b:c", 3, "sqlite"]})

    assert list_permitted() == ["a.b:c", "own_losses:halved"]
    assert load_plugin("own_losses:halved", "losses", FunctionType).__name__ == "halved"


def test_a_name_without_permission_is_refused_and_not_imported() -> None:
    with pytest.raises(InputError, match=r"own_losses:halved \(losses\) is needed.*atft_kedro.losses"):
        load_plugin("own_losses:halved", "losses", FunctionType)
    with pytest.raises(InputError, match="os:system"):
        load_plugin("os:system", "graph_layers", FunctionType)
    with pytest.raises(InputError, match="own_losses:halved"):
        hash_plugin("own_losses:halved", "losses")

    assert "own_losses" not in sys.modules


def test_an_installed_entry_point_permits_its_name_and_its_object_for_its_kind(folder: Path) -> None:
    install(folder, "losses", "half = own_losses:halved")

    assert load_plugin("half", "losses", FunctionType) is load_plugin("own_losses:halved", "losses", FunctionType)
    with pytest.raises(InputError, match="'half' is not installed.*installed are: none"):
        load_plugin("half", "features", list)


def test_geometric_layers_are_permitted_only_as_layers() -> None:
    with pytest.raises(InputError, match=r"torch_geometric.nn:GCNConv \(losses\)"):
        load_plugin("torch_geometric.nn:GCNConv", "losses", type)
    with pytest.raises(InputError, match="is needed"):
        load_plugin("torch_geometric.nn.conv:GCNConv", "graph_layers", type)

    assert hash_plugin("torch_geometric.nn:GCNConv", "graph_layers").startswith("torch-geometric 2.")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no_such_module:x", "cannot be imported: No module named 'no_such_module'.*PYTHONPATH"),
        ("own_losses:missing", "does not exist: module 'own_losses' has no attribute 'missing'"),
        ("own_losses:NUMBER", "is of the type int; it must be a function"),
    ],
)
def test_a_plugin_that_is_missing_or_of_another_type_is_refused(name: str, message: str) -> None:
    permit_plugins([name])

    with pytest.raises(InputError, match=message):
        load_plugin(name, "losses", FunctionType)


def test_the_hash_is_that_of_the_module_and_its_imports_of_the_same_package(folder: Path) -> None:
    package = folder / "own_package"
    package.mkdir()
    for name in ("__init__", "windows", "other"):
        (package / f"{name}.py").write_text("")
    (package / "features.py").write_text("import polars\nfrom . import windows\n")
    names = ["own_losses:halved", "own_package.features:FEATURES"]
    permit_plugins(names)

    def hash_after(file: str, text: str) -> list[str]:
        (package / file).write_text(text)
        source_code._read_module.cache_clear()
        return [hash_plugin(name, "features") for name in names]

    before = hash_after("other.py", "DAYS = 4\n")
    assert hash_after("other.py", "DAYS = 5\n") == before
    after = hash_after("windows.py", "DAYS = 5\n")
    assert after[0] == before[0]
    assert after[1] != before[1]
    with pytest.raises(InputError, match="own_package.missing:x is not installed: there is no module own_package.miss"):
        permit_plugins("own_package.missing:x")
        hash_plugin("own_package.missing:x", "features")
