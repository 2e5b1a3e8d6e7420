"""The record of finished stages, from which stale stages and their reasons follow."""

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

from ..locks import exclusive_lock, wait_for_lock
from ..params import InputError, Params
from .fingerprint import ABSENT, fingerprint, hash_state
from .in_memory import Sources, add_sources, find_sources, list_sources

LEDGER = "stage_ledger"  # its catalog entry
SHARED = "shared"  # tag of a node that writes tables which all runs of a data folder share
HOLDS_INPUTS = "holds_inputs"  # tag of a node that opens its inputs at its start and needs no newer ones
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
    why: tuple[str, ...]


def plan_stages(pipeline: Pipeline, catalog: CatalogProtocol) -> list[Stage]:
    """Decide for every stage, in running order, whether it is stale and why."""
    sources = find_sources(pipeline, catalog)
    pipeline = add_sources(pipeline, sources)
    for name in pipeline.datasets():
        catalog.get(name, fallback_to_runtime_pattern=True)  # a dataset without an entry is in memory
    records = _read_records(catalog)
    stages: dict[str, Stage] = {}
    writers = {output: node.name for node in pipeline.nodes for output in node.outputs}
    for node in [node for node in pipeline.nodes if node not in sources.values()]:
        inputs = {name for reader in (node, *list_sources(node, sources)) for name in reader.inputs} - sources.keys()
        parents = sorted({writers[name] for name in inputs if name in writers})
        inherited = tuple(f"{parent} has to run" for parent in parents if stages[parent].why)
        why = tuple(_list_reasons(node, catalog, records.get(node.name), sources)) + inherited
        stages[node.name] = Stage(node, why)
    return list(stages.values())


def require_gates_passed(pipeline: Pipeline, whole: Pipeline, catalog: CatalogProtocol) -> None:
    """Refuse a pipeline that reads a gate's output while the gate is stale.

    A gate is a node of the ``whole`` project with the tag ``gate``; a pipeline that contains the gate runs it anyway.
    """
    gates = whole.only_nodes_with_tags("gate")
    if not pipeline.inputs() & gates.outputs():
        return
    stale = [f"{stage.node.name}: {', '.join(stage.why)}" for stage in plan_stages(gates, catalog) if stage.why]
    if stale:
        tags = ",".join(sorted({tag for node in gates.nodes for tag in node.tags} - {"gate", SHARED}))
        raise InputError(
            f"The current data has not passed the guard ({'; '.join(stale)}). Run: kedro run --pipelines {tags}"
        )


@contextmanager
def lock_shared_tables(catalog: CatalogProtocol, why: str) -> Iterator[None]:
    """Lock the tables that all runs share; refuse if another process writes them."""
    folder = _find_ledger(catalog).parent
    refusal = (
        f"Another run writes the shared tables of {folder}, and this one would too ({why}). Wait for it, or use "
        "another data folder: --params data_root=DIR. The other is:"
    )
    with exclusive_lock(folder / WRITER_LOCK, refusal):
        yield


def hash_kept_outputs(pipeline: Pipeline, stale: set[str], catalog: CatalogProtocol) -> dict[str, str]:
    """Hash every dataset of a pipeline that a stage writes and this run does not write again."""
    sources = find_sources(pipeline, catalog)
    written = {name for registered in [pipeline, *pipelines.values()] for name in registered.all_outputs()}
    rewritten = {name for node in pipeline.nodes if node.name in stale for name in node.outputs}
    kept = (written & add_sources(pipeline, sources).datasets()) - rewritten - sources.keys()
    return {name: hash_state(catalog[name]) for name in kept}


def start_stage(node: Node, catalog: CatalogProtocol, known: Mapping[str, str], sources: Sources) -> dict[str, str]:
    """Delete the node's record before it runs, so that an interrupted stage is stale.

    Returns the fingerprint at the start: inputs that change during the run make the stage stale. A node is refused if
    an input differs from what this run has written or found (``known``).
    """
    inputs = fingerprint(node, catalog, sources)
    _require_known(node, inputs, known)
    if node.name in _read_records(catalog):
        _update_record(catalog, node.name, None)
    return inputs


def finish_stage(
    node: Node, catalog: CatalogProtocol, inputs: dict[str, str], known: Mapping[str, str], sources: Sources
) -> dict[str, str]:
    """Record a stage whose outputs are saved; return the hashes of the outputs."""
    if HOLDS_INPUTS not in node.tags:
        _require_known(node, fingerprint(node, catalog, sources), known)
    outputs = {name: hash_state(catalog[name]) for name in node.outputs}
    _update_record(catalog, node.name, StageRecord(inputs=inputs, outputs=outputs))
    return outputs


def accept_rewritten(
    pipeline: Pipeline, whole: Pipeline, catalog: CatalogProtocol, known: Mapping[str, str]
) -> dict[str, str]:
    """Hash the shared tables that another run has written again from the same inputs.

    Their stages are fresh under this run's parameters and code, and have passed the gates that ``pipeline`` needs.
    """
    stages = plan_stages((pipeline + whole).only_nodes_with_tags(SHARED), catalog)
    fresh = {name for stage in stages if not stage.why for name in stage.node.outputs} & known.keys()
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
            "tables: kedro run --pipelines evaluate,export"
        )


def _update_record(catalog: CatalogProtocol, stage: str, record: StageRecord | None) -> None:
    """Replace or delete the record of one stage; those of other stages and processes stay."""
    path = _find_ledger(catalog)
    with wait_for_lock(path.with_name(f".{path.name}.lock")):
        records = {name: other for name, other in _read_records(catalog).items() if name != stage}
        if record is not None:
            records[stage] = record
        catalog[LEDGER].save({name: kept.model_dump() for name, kept in records.items()})


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


def _list_reasons(node: Node, catalog: CatalogProtocol, record: StageRecord | None, sources: Sources) -> Iterator[str]:
    if record is None:
        yield "it never finished"
        return
    current = fingerprint(node, catalog, sources)
    for name in sorted(current.keys() | record.inputs.keys()):
        if current.get(name) != record.inputs.get(name):
            yield f"{name} changed"
    for name in node.outputs:
        state = hash_state(catalog[name])
        if state == ABSENT:
            yield f"{name} is missing"
        elif state != record.outputs.get(name):
            yield f"{name} was changed after it was written"
