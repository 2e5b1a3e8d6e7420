"""Test the order of all pipelines: shared tables first, then run folders; layers never lead back."""

from pathlib import Path

from kedro.io import MemoryDataset

from atft_kedro.datasets.trained import TRAINED_RUN
from atft_kedro.pipeline_registry import register_pipelines
from atft_kedro.stages.ledger import SHARED
from factories.catalogs import open_catalog


def test_nodes_that_write_into_a_run_folder_come_after_the_training(tmp_path: Path) -> None:
    catalog, whole = open_catalog(tmp_path), register_pipelines()["__default__"]
    inside = {name for name in whole.datasets() if name in catalog and "<run>" in str(catalog[name]._describe())}

    after = whole.from_inputs(TRAINED_RUN).all_outputs()
    assert len(inside) > 20
    assert inside <= after


def test_shared_tables_are_written_under_the_lock_and_before_all_else(tmp_path: Path) -> None:
    catalog, registered = open_catalog(tmp_path), register_pipelines()
    others = [node for node in registered["__default__"].nodes if SHARED not in node.tags]
    written = {name for node in others for name in node.outputs if not isinstance(catalog[name], MemoryDataset)}

    assert {name for name in written if "<run>" not in str(catalog[name]._describe())} == {TRAINED_RUN}
    for pipeline in registered.values():
        later = {name for node in pipeline.nodes if SHARED not in node.tags for name in node.outputs}
        assert not pipeline.only_nodes_with_tags(SHARED).inputs() & later


def test_only_tables_that_other_steps_read_are_outside_the_box_of_prepare() -> None:
    """Kedro-Viz draws a dataset between two boxes if it is written in one and read in the other."""
    whole = register_pipelines()["__default__"]
    box = whole.only_nodes_with_namespaces(["prepare"])

    assert box.all_outputs() & (whole - box).inputs() == {"universe", "split", "panel", "panel_preparation"}


def test_no_node_or_pipeline_leads_to_an_earlier_layer_of_kedro_viz() -> None:
    """Kedro-Viz draws no layers at all if one node, or one pipeline as a box, leads back."""
    catalog = open_catalog(Path("data"))
    order = ["raw", "intermediate", "model_input", "models", "model_output", "reporting"]

    def find_layers(names: set[str]) -> list[int]:
        metadata = [getattr(catalog[name], "metadata", None) or {} for name in names if name in catalog]
        found = [entry.get("kedro-viz", {}).get("layer") for entry in metadata]
        return [order.index(layer) for layer in found if layer]

    for pipeline in register_pipelines().values():
        boxes = [pipeline.only_nodes_with_namespaces([name]) for name in {node.namespace for node in pipeline.nodes}]
        shown = [(box.inputs(), box.all_outputs() & (box.outputs() | (pipeline - box).inputs())) for box in boxes]
        for inputs, outputs in [*shown, *((set(node.inputs), set(node.outputs)) for node in pipeline.nodes)]:
            assert max(find_layers(inputs), default=0) <= min(find_layers(outputs), default=9), (inputs, outputs)
