"""Sources of data: each has its own data folder, and two at once are refused."""

import re
from pathlib import Path
from typing import Any

import pytest

from atft_kedro.configuration import ProjectConfigLoader
from atft_kedro.params import InputError
from atft_kedro.workspaces import name_data_folder, name_registered_model
from factories.configuration import load, write


def test_only_the_simulated_market_has_the_data_folder_itself() -> None:
    assert [name_data_folder(name) for name in ("simulated", "files")] == ["data", "data/files"]
    assert [name_registered_model(name) for name in ("simulated", "files")] == ["atft_gat_fan", "atft_gat_fan_files"]


def list_paths(loader: ProjectConfigLoader) -> tuple[str, str]:
    catalog = loader["catalog"]
    return catalog["prices"].get("path", ""), catalog["ml_dataset"]["filepath"]


def test_every_source_has_its_data_folder_and_model_name(conf: Path) -> None:
    dataset = "05_model_input/ml_dataset.parquet"
    japan = {"workspace": "japan", "prices": "japan.csv"}
    assert list_paths(load(conf, "smoke")) == ("", f"data/{dataset}")
    assert list_paths(load(conf, "safe,files")) == ("data/files/01_raw/prices", f"data/files/{dataset}")
    assert list_paths(load(conf, "files,safe", japan)) == ("japan.csv", f"data/japan/{dataset}")
    assert list_paths(load(conf, "dataset")) == ("", "data/dataset/01_raw/ml_dataset.parquet")
    assert list_paths(load(conf, "files", {"data_root": "/other"}))[1] == f"/other/{dataset}"
    names = {load(conf, env)["catalog"]["registered_model"]["name"] for env in (None, "files", "benchmark")}
    assert names == {"atft_gat_fan", "atft_gat_fan_files", "atft_gat_fan_benchmark"}


def test_a_local_source_is_used_with_every_mode_and_another_one_replaces_it(conf: Path) -> None:
    write(conf, "local/parameters.yml", {"source": "files", "workspace": "own"})
    write(conf, "local/catalog.yml", {"prices": {"type": "pandas.CSVDataset", "filepath": "own.csv"}})
    safe = load(conf, "safe")

    assert safe.layers == ["base", "files", "local", "safe"]
    assert safe["parameters"]["features"]["entry_lag"] == 1  # as in conf/files
    assert safe["parameters"]["training"]["deterministic"]
    assert safe["catalog"]["prices"]["filepath"] == "own.csv"
    assert safe["catalog"]["ml_dataset"]["filepath"].startswith("data/own/")
    assert load(conf, "files,safe").layers == safe.layers
    dataset = load(conf, "dataset,safe")
    assert dataset.layers == ["base", "local", "dataset", "safe"]
    assert [dataset["parameters"][name] for name in ("source", "workspace")] == ["dataset", "dataset"]


@pytest.mark.parametrize(
    ("env", "params", "local", "message"),
    [
        ("files,dataset", {}, {}, "--env files,dataset has 2 sources of data, files, dataset: choose one"),
        ("safe,benchmark,files", {}, {}, "has 2 sources of data, benchmark, files: choose one"),
        (None, {"source": "files"}, {}, "source: it cannot be set with --params; --env files"),
        (None, {}, {"source": "filez"}, "source = 'filez': there is no environment of this name"),
        (None, {}, {"source": "safe"}, "source = 'safe': there is no environment of this name"),
        (
            None,
            {"workspace": "../other"},
            {},
            "workspace = '../other': must start with a letter, then letters, digits, - and _",
        ),
    ],
)
def test_two_sources_and_unknown_sources_are_refused(
    conf: Path, env: str | None, params: dict[str, Any], local: dict[str, str], message: str
) -> None:
    write(conf, "local/parameters.yml", local)

    with pytest.raises(InputError, match=re.escape(message)):
        load(conf, env, params).require_valid_parameters()


def test_an_environment_that_names_a_source_needs_its_environment(conf: Path) -> None:
    write(conf, "japan/parameters.yml", {"source": "files", "workspace": "japan"})

    load(conf, "files,japan").require_valid_parameters()
    with pytest.raises(InputError, match="source = 'files': .*--env does not have it"):
        load(conf, "japan").require_valid_parameters()


def test_a_file_that_is_not_yaml_is_named(conf: Path) -> None:
    (conf / "local" / "parameters.yml").write_text("market: {stocks: [")

    with pytest.raises(InputError, match="local/parameters.yml is not valid YAML"):
        load(conf)["parameters"]


@pytest.mark.parametrize("source", ["", "files", "dataset", "benchmark"])
def test_a_promoted_search_is_a_mode_of_every_source(source: str, conf: Path) -> None:
    write(conf, "best/parameters.yml", {"network": {"hidden_size": 48}, "training": {"accumulate": 3}})
    loader = load(conf, ",".join(filter(None, (source, "best"))))

    loader.require_valid_parameters()
    assert loader["parameters"]["source"] == (source or "simulated")
    assert loader["parameters"]["network"]["hidden_size"] == 48
    assert loader["parameters"]["training"]["accumulate"] == 3
