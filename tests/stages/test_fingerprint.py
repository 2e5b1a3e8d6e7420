"""Test which changes make a stage stale."""

import shutil

import pytest
from kedro.pipeline import Node, Pipeline
from kedro_datasets.json import JSONDataset

from atft_kedro import source_code
from atft_kedro.stages.fingerprint import _hash_parameter
from atft_kedro.stages.ledger import (
    plan_stages,
)
from atft_kedro.stages.runner import StageSequentialRunner
from factories.plugins import plugin_package
from factories.stages import TinyProject


def test_a_parameter_as_a_tree_and_as_a_model_has_one_hash(tiny: TinyProject) -> None:
    tiny.run()
    catalog = tiny.catalog()
    catalog["params:times"] = {"by": 2}

    assert [stage.reasons for stage in plan_stages(tiny.pipeline, catalog)] == [(), (), ()]


def test_every_input_of_a_starred_argument_counts(tiny: TinyProject) -> None:
    def join(first: int, *others: float) -> list[float]:
        return [first, *others]

    joined = Pipeline([Node(join, ["rows", "total", "product_total"], "joined", name="join")])
    catalog = tiny.catalog()
    for name in ("product_total", "joined"):
        catalog[name] = JSONDataset(filepath=str(tiny.folder / f"{name}.json"))
    catalog["product_total"].save(1)
    StageSequentialRunner().run(joined, catalog)
    catalog["product_total"].save(22)

    assert plan_stages(joined, catalog)[0].reasons == ("product_total changed",)


def test_a_project_that_was_moved_or_copied_with_its_file_times_is_fresh(
    tiny: TinyProject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("elsewhere")
    shutil.copytree(tiny.folder, folder / "without times", copy_function=shutil.copyfile)
    shutil.copytree(tiny.folder, folder / "copied")

    tiny.folder = folder / "copied"
    assert tiny.stale_reasons() == {}
    tiny.folder = tiny.folder.rename(folder / "moved")
    assert tiny.stale_reasons() == {}
    tiny.folder = folder / "without times"
    assert tiny.stale_reasons()["multiply"] == ("source changed", "product was changed after it was written")


def test_the_source_of_a_plugin_counts_where_a_parameter_names_it() -> None:
    with plugin_package("own_plugins.losses:cubic") as package:
        plain, named = [_hash_parameter({"by": name}, None) for name in ("mse", "own_plugins.losses:cubic")]
        (package / "losses.py").write_text("CHANGED = True\n")
        source_code._read_module.cache_clear()
        after = [_hash_parameter({"by": name}, None) for name in ("mse", "own_plugins.losses:cubic")]

    assert after[0] == plain
    assert after[1] != named
