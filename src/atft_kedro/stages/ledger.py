"""What every stage was made of when it last finished, and therefore which stages are stale and why."""

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
from ..params import InputError
from .fingerprint import ABSENT, fingerprint, state_of
from .in_memory import Sources, add_sources, find_sources, list_sources

LEDGER = "stage_ledger"  # its catalog entry
SHARED = "shared"  # tags a node that writes what all runs of a data folder share
HOLDS = "holds_inputs"  # tags a node that holds what it reads at its start, however long it works
WRITER = "writer.lock"  # beside the ledger
RECORDS = TypeAdapter(dict[str, dict[str, dict[str, str]]])

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Stage:
    """A node and the reasons why it has to run; none means that it is fresh."""

    node: Node
    why: tuple[str, ...]


def plan_stages(pipeline: Pipeline, catalog: CatalogProtocol) -> list[Stage]:
    """Decide for every node, in the order of a run, whether it is stale and why."""
    sources = find_sources(pipeline, catalog)
    pipeline = add_sources(pipeline, sources)
    for name in pipeline.datasets():
        catalog.get(name, fallback_to_runtime_pattern=True)  # what no entry names lives in memory
    finished = _read(catalog)
    stages: dict[str, Stage] = {}
    makers = {output: node.name for node in pipeline.nodes for output in node.outputs}
    for node in [node for node in pipeline.nodes if node not in sources.values()]:
        inputs = {name for each in (node, *list_sources(node, sources)) for name in each.inputs} - sources.keys()
        parents = sorted({makers[name] for name in inputs if name in makers})
        above = tuple(f"{parent} has to run" for parent in parents if stages[parent].why)
        why = tuple(_reasons(node, catalog, finished.get(node.name), sources)) + above
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
        tags = ",".join(sorted({tag for node in gates.nodes for tag in node.tags} - {"gate", SHARED}))
        raise InputError(
            "The data has not passed the gate as it is now ("
            + "; ".join(stale)
            + f"). Run: kedro run --pipelines {tags}"
        )


@contextmanager
def hold_shared(catalog: CatalogProtocol, why: str) -> Iterator[None]:
    """Be the only process that writes what all runs of the data folder share; refuse where another one does."""
    place = _find_ledger(catalog).parent
    refusal = (
        f"Another run writes the tables of {place} that all runs share, and this one would too ({why}). Wait for it, "
        "or give this one a data folder of its own: --params data_root=DIR. The other is:"
    )
    with exclusive_lock(place / WRITER, refusal):
        yield


def find_states(pipeline: Pipeline, stale: set[str], catalog: CatalogProtocol) -> dict[str, str]:
    """Read the state of every dataset that a stage makes and this run will not remake."""
    sources = find_sources(pipeline, catalog)
    made = {name for whole in [pipeline, *pipelines.values()] for name in whole.all_outputs()} - sources.keys()
    anew = {name for node in pipeline.nodes if node.name in stale for name in node.outputs}
    return {name: state_of(catalog[name]) for name in (made & add_sources(pipeline, sources).datasets()) - anew}


def start_stage(node: Node, catalog: CatalogProtocol, known: Mapping[str, str], sources: Sources) -> dict[str, str]:
    """Forget the node before it runs, so that a run cut short leaves nothing that passes for finished.

    Returns what it is about to be made of: what changes while it runs makes it stale. Where that is not what this
    run has made or found (``known``), the node is refused.
    """
    made_of = fingerprint(node, catalog, sources)
    _require_known(node, made_of, known)
    if node.name in _read(catalog):
        _update(catalog, node.name, None)
    return made_of


def finish_stage(
    node: Node, catalog: CatalogProtocol, made_of: dict[str, str], known: Mapping[str, str], sources: Sources
) -> dict[str, str]:
    """Write down what the node was made of and what it left, once all its outputs are saved; return the latter."""
    if HOLDS not in node.tags:
        _require_known(node, fingerprint(node, catalog, sources), known)
    left = {name: state_of(catalog[name]) for name in node.outputs}
    _update(catalog, node.name, {"made_of": made_of, "left": left})
    return left


def accept_remade(
    pipeline: Pipeline, whole: Pipeline, catalog: CatalogProtocol, known: Mapping[str, str]
) -> dict[str, str]:
    """Find the tables that another run has made anew just as this one would, and their states.

    They were made with this run's parameters and code, and have passed the gates that ``pipeline`` relies on.
    """
    stages = plan_stages((pipeline + whole).only_nodes_with_tags(SHARED), catalog)
    fresh = {name for stage in stages if not stage.why for name in stage.node.outputs} & known.keys()
    remade = {name: state for name in sorted(fresh) if (state := state_of(catalog[name])) != known[name]}
    if remade:
        require_gates_passed(pipeline, whole, catalog)
        _logger.warning("another run has made %s anew meanwhile; from here on this run reads that", ", ".join(remade))
    return remade


def _require_known(node: Node, made_of: Mapping[str, str], known: Mapping[str, str]) -> None:
    """Refuse to mix what this run has made or found with what another one has made since."""
    changed = [name for name in made_of if name in known and made_of[name] != known[name]]
    if changed:
        raise InputError(
            f"{node.name} would mix what two runs have made: another process has made {', '.join(changed)} anew since "
            "this run began. What this run has finished stays, a training too. Run the same again, or go on with what "
            "is there now: kedro run --pipelines evaluate,export"
        )


def _update(catalog: CatalogProtocol, stage: str, record: dict[str, dict[str, str]] | None) -> None:
    """Replace one stage's record; what other processes write down meanwhile stays."""
    path = _find_ledger(catalog)
    with wait_for_lock(path.with_name(f".{path.name}.lock")):
        others = {name: kept for name, kept in _read(catalog).items() if name != stage}
        catalog[LEDGER].save(others if record is None else others | {stage: record})


def _find_ledger(catalog: CatalogProtocol) -> Path:
    return Path(str(catalog[LEDGER]._describe()["filepath"]))


def _read(catalog: CatalogProtocol) -> dict[str, dict[str, dict[str, str]]]:
    ledger = catalog[LEDGER]
    if not ledger.exists():
        return {}
    try:
        return RECORDS.validate_python(ledger.load())
    except (DatasetError, ValidationError):
        _logger.warning("the memory of finished stages (%s) cannot be read; every stage runs again", LEDGER)
        return {}


def _reasons(
    node: Node, catalog: CatalogProtocol, record: dict[str, dict[str, str]] | None, sources: Sources
) -> Iterator[str]:
    if record is None:
        yield "it never finished"
        return
    now = fingerprint(node, catalog, sources)
    for cause in sorted(now.keys() | record["made_of"].keys()):
        if now.get(cause) != record["made_of"].get(cause):
            yield f"{cause} changed"
    for name in node.outputs:
        state = state_of(catalog[name])
        if state == ABSENT:
            yield f"{name} is missing"
        elif state != record["left"].get(name):
            yield f"{name} is not as it was left"
