"""Layers of configuration: merged first, resolved afterwards; the last layer wins."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from atft_kedro.params import InputError
from factories.configuration import load, write

CONF = Path(__file__).parent.parent / "conf"
REFERENCE = re.compile(r"\$\{(?:parameters:)?(_?[a-z]\w*(?:\.\w+)*)\}")  # to another key; other resolvers have no key
DEFAULT = re.compile(r"\$\{runtime_params:\w+, (\w+)\}")  # what stands there where `--params` gives nothing


def leaves(tree: Any, keys: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else None
    if inner is None:
        yield keys, tree
    else:
        for key, value in inner:
            yield from leaves(value, (*keys, key))


def references() -> Iterator[tuple[str, str, tuple[Any, ...], str]]:
    """Find every value under ``conf/`` that is made of another one: its environment, its kind, its keys, the other."""
    for file in sorted(CONF.glob("*/*.yml")):
        for keys, value in leaves(yaml.safe_load(file.read_text()) or {}):
            for name in REFERENCE.findall(DEFAULT.sub(r"\1", str(value))):
                kind = "catalog" if file.name.startswith("catalog") else "parameters"
                yield file.parent.name, kind, keys, name


FOUND = sorted({found for found in references() if found[3] != "source"}, key=str)  # two sources are refused


def test_the_references_in_conf_are_found() -> None:
    names = {(env, name) for env, _, _, name in FOUND}

    assert {("base", "features.entry_lag"), ("base", "split.embargo_days"), ("base", "split.min_date")} <= names
    assert {("base", "_data"), ("base", "market"), ("benchmark", "_spans.benchmark.phases")} <= names


@pytest.mark.parametrize(("env", "kind"), sorted({(env, kind) for env, kind, *_ in FOUND}))
def test_a_value_that_refers_to_another_follows_the_layer_that_sets_the_other(conf: Path, env: str, kind: str) -> None:
    values_of_env = {keys: name for place, its, keys, name in FOUND if (place, its) == (env, kind)}
    holders = {name for name in values_of_env.values() if any(is_in(keys, name) for keys in values_of_env)}
    for names in ({*values_of_env.values()} - holders, holders):
        for file in ("catalog", "parameters"):
            own = {name for name in names if (file == "catalog") == (kind == "catalog" and name.startswith("_"))}
            write(conf, f"other/{file}.yml", nest({name: f"another {name}" for name in own}))
        loaded = load(conf, "other" if env == "base" else f"{env},other")[kind]

        for keys, name in values_of_env.items():
            if name in names and keys[0] in loaded:  # Kedro drops names of the catalog that begin with an underscore
                value: Any = loaded
                for key in keys:
                    value = value[key]
                assert f"another {name}" in value, keys


def is_in(keys: tuple[Any, ...], name: str) -> bool:
    return ".".join(map(str, keys)).startswith(f"{name}.")


def nest(values: dict[str, Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for name, value in values.items():
        *above, last = name.split(".")
        place = tree
        for key in above:
            place = place.setdefault(key, {})
        place[last] = value
    return tree


def test_base_is_read_first_then_local_then_the_environments_from_left_to_right(conf: Path) -> None:
    assert load(conf).layers == ["base", "local"]
    assert load(conf, "files,safe").layers == ["base", "local", "files", "safe"]

    write(conf, "local/parameters.yml", {"training": {"precision": "bf16", "seeds": 4}, "predict": {"max_age_days": 9}})
    training, predict = (load(conf, "files,safe")["parameters"][name] for name in ("training", "predict"))
    assert (training["precision"], training["seeds"]) == ("fp32", 4)  # of safe, of local
    assert predict["max_age_days"] == 3  # of files
    assert load(conf, "safe,production")["parameters"]["training"]["compile"] is True
    assert load(conf, "production,safe")["parameters"]["training"]["compile"] is False
    assert load(conf, "safe", {"training": {"precision": "bf16"}})["parameters"]["training"]["precision"] == "bf16"
    (conf / "local").rename(conf / "absent")
    assert load(conf, "safe").layers == ["base", "safe"]


def test_blocks_are_merged_key_by_key_and_lists_are_replaced(conf: Path) -> None:
    write(conf, "one/parameters.yml", {"features": {"horizons": [3, 4]}, "graph": {"window": 9}})
    write(conf, "two/parameters.yml", {"features": {"horizons": [2]}, "graph": {"floor": 0.5}})

    merged = load(conf, "one,two")["parameters"]
    assert merged["features"]["horizons"] == [2]
    assert {"window": 9, "floor": 0.5, "neighbours": 10}.items() <= merged["graph"].items()


def test_a_later_layers_catalog_entry_replaces_the_whole_earlier_one(conf: Path) -> None:
    write(
        conf, "base/catalog.yml", {"prices": {"type": "base", "layout": "auto"}, "benchmark_returns": {"type": "base"}}
    )
    write(conf, "local/catalog.yml", {"prices": {"type": "local", "columns": {"close": "Last"}}})
    write(conf, "one/catalog.yml", {"benchmark_returns": {"type": "one"}})

    assert load(conf, "one")["catalog"] == {
        "prices": {"type": "local", "columns": {"close": "Last"}},
        "benchmark_returns": {"type": "one"},
    }


def test_local_parameters_are_read_with_every_environment(conf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORE", "postgresql://host/db")
    write(conf, "local/credentials.yml", {"mlflow": "${oc.env:STORE}"})
    write(conf, "local/mlflow.yml", {"server": {"mlflow_tracking_uri": "http://server:5000"}})

    loader = load(conf, "files,safe")
    loader.config_patterns["mlflow"] = ["mlflow*"]
    assert loader["credentials"]["mlflow"] == "postgresql://host/db"
    assert loader["mlflow"]["server"] == {"mlflow_tracking_uri": "http://server:5000"}
    assert loader["mlflow"]["tracking"]["experiment"]["name"] == "atft-kedro"


@pytest.mark.parametrize("env", ["safe,mars", "mars", "safe,", "safe;smoke"])
def test_an_unknown_environment_is_refused_with_the_names_of_the_known_ones(conf: Path, env: str) -> None:
    with pytest.raises(
        InputError, match=r"There is no environment '(mars||safe;smoke)' .*; existing ones: .*files, jquants, local, "
    ):
        load(conf, env)


@pytest.mark.parametrize("value", ["${oc.env:HOME}", "${HOME}", "${"])
def test_an_unresolvable_value_is_a_plain_error_that_names_its_file(conf: Path, value: str) -> None:
    with pytest.raises(InputError, match=r"^prices cannot be resolved, nothing was run: .* — --params$"):
        load(conf, "files", {"prices": value}).require_valid_parameters()

    write(conf, "local/parameters.yml", {"graph": {"window": value}})
    with pytest.raises(InputError, match=r"^graph.window cannot be resolved, .* — conf/local/parameters.yml$"):
        load(conf, "files").require_valid_parameters()


def test_a_wrong_value_names_the_layer_that_sets_it_also_where_another_value_follows_it(conf: Path) -> None:
    write(conf, "local/parameters.yml", {"split": {"embargo_days": -1}, "graph": {"window": 0}})
    write(conf, "one/parameters.yml", {"graph": {"window": -5}})

    with pytest.raises(InputError) as refused:
        load(conf, "one,safe").require_valid_parameters()

    _, *wrong = str(refused.value).splitlines()
    places = {line.split(" = ")[0].strip(): line.rpartition(" — ")[2] for line in wrong}
    local = "conf/local/parameters.yml"
    assert places == {
        "graph.window": "conf/one/parameters.yml",
        "split.embargo_days": local,
        "folds.embargo_days": local,
    }


def test_a_configuration_is_read_once_and_callers_cannot_change_it(conf: Path) -> None:
    loader = load(conf)
    days = loader["parameters"]["market"]["days"]
    loader["parameters"]["market"]["days"] = -1
    write(conf, "local/parameters.yml", {"market": {"days": 7}})
    assert loader["parameters"]["market"]["days"] == days
    assert load(conf)["parameters"]["market"]["days"] == 7


def test_a_configuration_that_could_not_be_read_is_read_again(conf: Path) -> None:
    write(conf, "local/parameters.yml", {"market": {"stocks": "${parameters:market.days}"}})
    loader = load(conf)
    with pytest.raises(InputError, match=r"A file of parameters cannot use \$\{parameters:…\}: write \$\{block"):
        loader["parameters"]
    write(conf, "local/parameters.yml", {"market": {"stocks": "${market.days}"}})

    assert loader["parameters"]["market"]["stocks"] == loader["parameters"]["market"]["days"]
