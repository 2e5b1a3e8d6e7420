"""What every stage was made of when it last finished, and therefore which stages are stale and why."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass

from kedro.io import CatalogProtocol, DatasetError
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node
from pydantic import TypeAdapter, ValidationError

from ..params import InputError
from .fingerprint import ABSENT, fingerprint, state_of

LEDGER = "stage_ledger"  # its catalog entry
RECORDS = TypeAdapter(dict[str, dict[str, dict[str, str]]])

_logger = logging.getLogger(__name__)


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


def require_gates_passed(pipeline: Pipeline, whole: Pipeline, catalog: CatalogProtocol) -> None:
    """Refuse to go on from a gate of the ``whole`` project that what is there now has not passed.

    A gate is a node that is tagged so; it matters where ``pipeline`` takes its word without running it.
    """
    gates = whole.only_nodes_with_tags("gate")
    if not pipeline.inputs() & gates.outputs():
        return
    stale = [f"{stage.node.name}: {', '.join(stage.why)}" for stage in plan_stages(gates, catalog) if stage.why]
    if stale:
        tags = ",".join(sorted({tag for node in gates.nodes for tag in node.tags} - {"gate"}))
        raise InputError(
            "The data has not passed the gate as it is now ("
            + "; ".join(stale)
            + f"). Run: kedro run --pipelines {tags}"
        )


def start_stage(node: Node, catalog: CatalogProtocol) -> dict[str, str]:
    """Forget the node before it runs, so that a run cut short leaves nothing that passes for finished.

    Returns what it is about to be made of: what changes while it runs makes it stale.
    """
    finished = _read(catalog)
    if finished.pop(node.name, None) is not None:
        catalog[LEDGER].save(finished)
    return fingerprint(node, catalog)


def finish_stage(node: Node, catalog: CatalogProtocol, made_of: dict[str, str]) -> None:
    """Write down what the node was made of and what it left, once all its outputs are saved."""
    record = {"made_of": made_of, "left": {name: state_of(catalog[name]) for name in node.outputs}}
    catalog[LEDGER].save(_read(catalog) | {node.name: record})


def _read(catalog: CatalogProtocol) -> dict[str, dict[str, dict[str, str]]]:
    ledger = catalog[LEDGER]
    if not ledger.exists():
        return {}
    try:
        return RECORDS.validate_python(ledger.load())
    except (DatasetError, ValidationError):
        _logger.warning("the memory of finished stages (%s) cannot be read; every stage runs again", LEDGER)
        return {}


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
