"""In-memory datasets: the nodes that compute them run again whenever a stage needs the result."""

from kedro.framework.project import pipelines
from kedro.io import CatalogProtocol, MemoryDataset
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

Sources = dict[str, Node]  # in-memory dataset -> the node that computes it


def find_sources(pipeline: Pipeline, catalog: CatalogProtocol) -> Sources:
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


def list_sources(node: Node, sources: Sources) -> list[Node]:
    """List the nodes that compute a node's in-memory inputs, in the order to run them."""
    found: dict[Node, None] = {}
    for name in node.inputs:
        if source := sources.get(name):
            found |= dict.fromkeys([*list_sources(source, sources), source])
    return list(found)


def add_sources(pipeline: Pipeline, sources: Sources) -> Pipeline:
    """Add the nodes that compute a pipeline's in-memory inputs.

    ``--nodes`` and ``--from-nodes`` select pipelines without them.
    """
    needed = {source for node in pipeline.nodes for source in list_sources(node, sources)}
    return pipeline + Pipeline(list(needed))
