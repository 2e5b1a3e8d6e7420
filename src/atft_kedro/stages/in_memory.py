"""Datasets that live in memory: the nodes that compute them run again whenever a stage needs the result."""

from kedro.framework.project import pipelines
from kedro.io import CatalogProtocol, MemoryDataset
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

Sources = dict[str, Node]  # in-memory dataset -> the node that computes it


def find_sources(pipeline: Pipeline, catalog: CatalogProtocol) -> Sources:
    """Find the nodes that compute in-memory inputs of other nodes, in this pipeline or a registered one.

    Such a node is no stage: it leaves nothing on disk, so that its inputs count as inputs of the nodes that follow.
    """
    nodes = {node for each in (pipeline, *pipelines.values()) for node in each.nodes}
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
    """List the nodes that compute what a node reads from memory, in the order to run them."""
    found: dict[Node, None] = {}
    for name in node.inputs:
        if source := sources.get(name):
            found |= dict.fromkeys([*list_sources(source, sources), source])
    return list(found)


def add_sources(pipeline: Pipeline, sources: Sources) -> Pipeline:
    """Add the nodes that compute in-memory inputs of a pipeline; ``--nodes`` and ``--from-nodes`` leave them out."""
    needed = {source for node in pipeline.nodes for source in list_sources(node, sources)}
    return pipeline + Pipeline(list(needed))
