"""The record of finished stages; from it follows which stages are stale, and why."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kedro.framework.project import pipelines
from kedro.io import CatalogProtocol, DatasetError
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node
from pydantic import TypeAdapter, ValidationError

from ..advice import advise_run
from ..locks import exclusive_lock, wait_for_lock
from ..params import InputError, Params
from .fingerprint import ABSENT, fingerprint, hash_state
from .in_memory import InMemoryNodes, add_required_nodes, find_in_memory_nodes, list_required_nodes

LEDGER = "stage_ledger"  # its catalog entry
SHARED = "shared"  # tag of a node that writes tables which all runs of a data folder share
HOLDS_INPUTS = "holds_inputs"  # tag of a node that keeps the inputs of its start, even if their files are replaced
WRITER_LOCK = "writer.lock"  # next to the ledger


class StageRecord(Params):
    """The hashes of a finished stage's inputs and outputs."""

    inputs: dict[str, str]
    outputs: dict[str, str]


RECORDS = TypeAdapter(dict[str, StageRecord])

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Stage:
    """A node and the reasons to run it; without a reason it is fresh."""

    node: Node
    reasons: tuple[str, ...]


def plan_stages(pipeline: Pipeline, catalog: CatalogProtocol) -> list[Stage]:
    """Decide for every stage, in running order, whether it is stale and why."""
    in_memory = find_in_memory_nodes(pipeline, catalog)
    pipeline = add_required_nodes(pipeline, in_memory)
    for name in pipeline.datasets():
        catalog.get(name, fallback_to_runtime_pattern=True)  # a dataset without an entry is in memory
    records = _read_records(catalog)
    stages: dict[str, Stage] = {}
    writers = {output: node.name for node in pipeline.nodes for output in node.outputs}
    for node in [node for node in pipeline.nodes if node not in in_memory.values()]:
        readers = (node, *list_required_nodes(node, in_memory))
        inputs = {name for reader in readers for name in reader.inputs} - in_memory.keys()
        parents = sorted({writers[name] for name in inputs if name in writers})
        inherited = tuple(f"{parent} has to run" for parent in parents if stages[parent].reasons)
        reasons = _list_reasons(node, catalog, records.get(node.name), in_memory)
        stages[node.name] = Stage(node, (*reasons, *inherited))
    return list(stages.values())


def require_gates_passed(pipeline: Pipeline, whole: Pipeline, catalog: CatalogProtocol) -> None:
    """Raise an error if a pipeline reads the output of a stale gate that it does not run.

    A gate is a node of the ``whole`` project with the tag ``gate``, which raises an error on bad data.
    """
    gates = whole.only_nodes_with_tags("gate")
    if not pipeline.inputs() & gates.outputs():
        return
    stale = [f"{stage.node.name}: {', '.join(stage.reasons)}" for stage in plan_stages(gates, catalog) if stage.reasons]
    if stale:
        tags = ",".join(_list_pipelines_to_run(gates, whole, catalog))
        raise InputError(
            f"The current data has not passed the guard ({'; '.join(stale)}). Run: {advise_run(f'--pipelines {tags}')}"
        )


def _list_pipelines_to_run(gates: Pipeline, whole: Pipeline, catalog: CatalogProtocol) -> list[str]:
    """List the pipelines of the gates, and of the tables that they need and that do not exist."""
    before = whole.to_nodes(*(node.name for node in gates.nodes))
    in_memory = find_in_memory_nodes(before, catalog)
    tags, needed = {tag for node in gates.nodes for tag in node.tags}, {*gates.inputs()}
    for node in reversed(before.nodes):
        is_computed = node in in_memory.values()
        if needed & {*node.outputs} and (is_computed or _lacks_output(node, in_memory, catalog)):
            needed |= {*node.inputs}
            tags |= set() if is_computed else node.tags
    return sorted(tags - {"gate", SHARED})


def _lacks_output(node: Node, in_memory: InMemoryNodes, catalog: CatalogProtocol) -> bool:
    """Return whether a table that the node writes does not exist."""
    written = [catalog.get(name, fallback_to_runtime_pattern=True) for name in node.outputs if name not in in_memory]
    return any(dataset is not None and not dataset.exists() for dataset in written)


@contextmanager
def lock_shared_tables(catalog: CatalogProtocol, reason: str) -> Iterator[None]:
    """Lock the tables that all runs share; raise an error if another process writes them."""
    folder = _find_ledger(catalog).parent
    refusal = (
        f"Another run writes the shared tables of {folder}, and this one would too ({reason}). Wait for it, or use "
        "another data folder: --params data_root=DIR. The other is:"
    )
    with exclusive_lock(folder / WRITER_LOCK, refusal):
        yield


def hash_unchanged_outputs(pipeline: Pipeline, stale: set[str], catalog: CatalogProtocol) -> dict[str, str]:
    """Hash the pipeline's datasets that an earlier run wrote and this run does not write again."""
    in_memory = find_in_memory_nodes(pipeline, catalog)
    written = {name for registered in [pipeline, *pipelines.values()] for name in registered.all_outputs()}
    rewritten = {name for node in pipeline.nodes if node.name in stale for name in node.outputs}
    unchanged = (written & add_required_nodes(pipeline, in_memory).datasets()) - rewritten - in_memory.keys()
    return {name: hash_state(catalog[name]) for name in unchanged}


def start_stage(
    node: Node, catalog: CatalogProtocol, known: Mapping[str, str], in_memory: InMemoryNodes
) -> dict[str, str]:
    """Delete the node's record before it runs, so that an interrupted stage is stale.

    Returns the fingerprint at the start: inputs that change during the run make the stage stale. Raises an error if
    the hash of an input differs from the one in ``known``.
    """
    inputs = fingerprint(node, catalog, in_memory)
    _require_known(node, inputs, known)
    if node.name in _read_records(catalog):
        _update_record(catalog, node.name, None)
    return inputs


def finish_stage(
    node: Node, catalog: CatalogProtocol, inputs: dict[str, str], known: Mapping[str, str], in_memory: InMemoryNodes
) -> dict[str, str]:
    """Record a stage whose outputs are saved; return the hashes of the outputs."""
    if HOLDS_INPUTS not in node.tags:
        _require_known(node, fingerprint(node, catalog, in_memory), known)
    outputs = {name: hash_state(catalog[name]) for name in node.outputs}
    _update_record(catalog, node.name, StageRecord(inputs=inputs, outputs=outputs))
    return outputs


def accept_rewritten_tables(
    pipeline: Pipeline, whole: Pipeline, catalog: CatalogProtocol, known: Mapping[str, str]
) -> dict[str, str]:
    """Hash the shared tables that another run has written again from the same inputs.

    Their stages are fresh under this run's parameters and code. The gates that ``pipeline`` needs must be fresh too.
    """
    shared = pipeline.only_nodes_with_tags(SHARED) + whole.only_nodes_with_tags(SHARED)
    stages = plan_stages(shared, catalog)
    fresh = {name for stage in stages if not stage.reasons for name in stage.node.outputs} & known.keys()
    rewritten = {name: state for name in sorted(fresh) if (state := hash_state(catalog[name])) != known[name]}
    if rewritten:
        require_gates_passed(pipeline, whole, catalog)
        _logger.warning("another run has written %s again; this run now reads the new files", ", ".join(rewritten))
    return rewritten


def _require_known(node: Node, inputs: Mapping[str, str], known: Mapping[str, str]) -> None:
    """Refuse inputs that another process has changed since this run began."""
    changed = [name for name in inputs if name in known and inputs[name] != known[name]]
    if changed:
        raise InputError(
            f"{node.name} would mix the tables of two runs: another process has written {', '.join(changed)} since "
            "this run began. Finished stages are kept, a training too. Repeat this run, or continue with the current "
            f"tables: {advise_run('--pipelines evaluate,export')}"
        )


def _update_record(catalog: CatalogProtocol, stage: str, record: StageRecord | None) -> None:
    """Replace the record of one stage, or delete it; other processes may change other records meanwhile."""
    path = _find_ledger(catalog)
    with wait_for_lock(path.with_name(f".{path.name}.lock")):
        records = {name: entry for name, entry in _read_records(catalog).items() if name != stage}
        if record is not None:
            records[stage] = record
        catalog[LEDGER].save({name: entry.model_dump() for name, entry in records.items()})


def _find_ledger(catalog: CatalogProtocol) -> Path:
    return Path(str(catalog[LEDGER]._describe()["filepath"]))


def _read_records(catalog: CatalogProtocol) -> dict[str, StageRecord]:
    ledger = catalog[LEDGER]
    if not ledger.exists():
        return {}
    try:
        return RECORDS.validate_python(ledger.load())
    except (DatasetError, ValidationError):
        _logger.warning("the record of finished stages (%s) cannot be read; every stage runs again", LEDGER)
        return {}


def _list_reasons(
    node: Node, catalog: CatalogProtocol, record: StageRecord | None, in_memory: InMemoryNodes
) -> Iterator[str]:
    if record is None:
        yield "it never finished"
        return
    current = fingerprint(node, catalog, in_memory)
    for name in sorted(current.keys() | record.inputs.keys()):
        if current.get(name) != record.inputs.get(name):
            yield f"{name} changed"
    for name in node.outputs:
        state = hash_state(catalog[name])
        if state == ABSENT:
            yield f"{name} is missing"
        elif state != record.outputs.get(name):
            yield f"{name} was changed after it was written"
