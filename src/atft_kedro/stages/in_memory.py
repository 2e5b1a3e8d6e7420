"""In-memory datasets: the nodes that compute them run again whenever a stage needs the result."""

from typing import Any

from kedro.framework.project import pipelines
from kedro.io import CatalogProtocol, MemoryDataset
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

InMemoryNodes = dict[str, Node]  # in-memory dataset -> the node that computes it


def find_in_memory_nodes(pipeline: Pipeline, catalog: CatalogProtocol) -> InMemoryNodes:
    """Find the nodes that compute in-memory inputs of other nodes.

    They may be in this pipeline or in a registered one. Such a node is not a stage: it writes no file, and its inputs
    count as inputs of the stages that read its output.
    """
    nodes = {node for registered in (pipeline, *pipelines.values()) for node in registered.nodes}
    read = {name for node in nodes for name in node.inputs}
    return {
        name: node
        for node in nodes
        if all(output in read and _is_in_memory(output, catalog) for output in node.outputs)
        for name in node.outputs
    }


def _is_in_memory(name: str, catalog: CatalogProtocol) -> bool:
    return isinstance(catalog.get(name, fallback_to_runtime_pattern=True), MemoryDataset)


def list_required_nodes(node: Node, in_memory: InMemoryNodes) -> list[Node]:
    """List the nodes that compute a node's in-memory inputs, in the order to run them."""
    required: dict[Node, None] = {}
    for name in node.inputs:
        if computing := in_memory.get(name):
            required |= dict.fromkeys([*list_required_nodes(computing, in_memory), computing])
    return list(required)


def add_required_nodes(pipeline: Pipeline, in_memory: InMemoryNodes) -> Pipeline:
    """Add the nodes that compute a pipeline's in-memory inputs.

    ``--nodes`` and ``--from-nodes`` select pipelines without them.
    """
    required = {computing for node in pipeline.nodes for computing in list_required_nodes(node, in_memory)}
    return pipeline + Pipeline(list(required))


def load_or_compute(name: str, catalog: CatalogProtocol, in_memory: InMemoryNodes) -> Any:
    """Load a dataset; compute an in-memory one from its node's inputs."""
    if node := in_memory.get(name):
        return node.run({entry: load_or_compute(entry, catalog, in_memory) for entry in node.inputs})[name]
    return catalog[name].load()
