"""What every stage was made of when it last finished, and therefore which stages are stale and why."""

from collections.abc import Iterator
from dataclasses import dataclass

from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from .fingerprint import ABSENT, fingerprint, state_of

LEDGER = "stage_ledger"  # its catalog entry


@dataclass(frozen=True)
class Stage:
    """A node and the reasons why it has to run; none means that it is fresh."""

    node: Node
    why: tuple[str, ...]


def plan_stages(pipeline: Pipeline, catalog: CatalogProtocol) -> list[Stage]:
    """Decide for every node, in the order of a run, whether it is stale and why."""
    for name in pipeline.datasets():
        catalog.get(name, fallback_to_runtime_pattern=True)  # what no entry names lives in memory
    finished = _read(catalog)
    stages: dict[str, Stage] = {}
    makers = {output: node.name for node in pipeline.nodes for output in node.outputs}
    for node in pipeline.nodes:
        parents = sorted({makers[name] for name in node.inputs if name in makers})
        above = tuple(f"{parent} has to run" for parent in parents if stages[parent].why)
        why = tuple(_reasons(node, catalog, finished.get(node.name))) + above
        stages[node.name] = Stage(node, why)
    return list(stages.values())


def finish_stage(node: Node, catalog: CatalogProtocol) -> None:
    """Write down what the node was made of and what it left, once all its outputs are saved."""
    record = {
        "made_of": fingerprint(node, catalog),
        "left": {name: state_of(catalog[name]) for name in node.outputs},
    }
    catalog[LEDGER].save(_read(catalog) | {node.name: record})


def start_stage(node: Node, catalog: CatalogProtocol) -> None:
    """Forget the node before it runs, so that a run cut short leaves nothing that passes for finished."""
    finished = _read(catalog)
    if finished.pop(node.name, None) is not None:
        catalog[LEDGER].save(finished)


def _read(catalog: CatalogProtocol) -> dict[str, dict[str, dict[str, str]]]:
    ledger = catalog[LEDGER]
    return ledger.load() if ledger.exists() else {}


def _reasons(node: Node, catalog: CatalogProtocol, record: dict[str, dict[str, str]] | None) -> Iterator[str]:
    if record is None:
        yield "it never finished"
        return
    now = fingerprint(node, catalog)
    for cause in sorted(now.keys() | record["made_of"].keys()):
        if now.get(cause) != record["made_of"].get(cause):
            yield f"{cause} changed"
    for name in node.outputs:
        state = state_of(catalog[name])
        if state == ABSENT:
            yield f"{name} is missing"
        elif state != record["left"].get(name):
            yield f"{name} is not as it was left"
