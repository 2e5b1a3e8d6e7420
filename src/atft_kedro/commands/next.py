"""``kedro atft next``: check a run by the rules of the ladder, and advise the next longer run."""

from pathlib import Path
from typing import Any

import click
from kedro.framework.session import KedroSession
from kedro.io import CatalogProtocol

from ..advice import advise_command, advise_run
from ..export.experiments import write_experiments
from ..features.build import FeatureParams
from ..live.ladder import LadderParams, check_rules, find_reference
from ..network.params import NetworkParams
from ..panel.scaler import FeatureCatalogue
from ..reporting.table import Table
from ..training.initial_weights import find_differences
from ..training.run_status import count_epochs, read_training
from .command_helpers import pass_catalog, run_argument
from .console import make_console, render_table


@click.command("next")
@run_argument
@click.option("--reference", help="Run to compare with.  [default: the best of the same rung and panel]")
@pass_catalog
def advise_next(catalog: CatalogProtocol, run: str, reference: str | None) -> None:
    """Check RUN by the rules of `ladder:`, and print the command of the next longer run.

    RUN is by default the latest. If a rule is not met, the command prints what to investigate. Use the --env and
    --params of the run.
    """
    runs, ladder = catalog["runs"].load(), LadderParams.model_validate(catalog["params:ladder"].load())
    folder = runs.find(run)
    folder = runs.find(read_training(folder).refit_of or folder.name)  # a refit has the scores of its recipe
    write_experiments(folder)
    compared = runs.find(reference) if reference else find_reference(runs, folder, ladder)
    parameters = [catalog[f"params:{name}"].load() for name in ("evaluation", "goals")]
    results = list(check_rules(folder, compared, ladder, *parameters))
    rows = [(result.name, "met" if result.severity == "ok" else "not met", result.message) for result in results]
    rung, console = ladder.find_rung(count_epochs(folder)), make_console()
    title = f"run {folder.name}, rung {ladder.rungs[rung].name}, on validation days"
    console.print(render_table(Table(title, ("rule", "result", "values"), rows)))
    if advice := [f"{result.name}: {line}" for result in results for line in result.advice]:
        lines = ["Investigate before a longer run:", *advice]
    elif rung == len(ladder.rungs) - 1:
        promote = advise_command(f"atft promote {folder.name}")
        lines = [f"This is the last rung. {promote} makes it the champion, if the gate passes."]
    else:
        lines = _advise_rung(catalog, folder, ladder, rung + 1)
    for line in lines:
        console.print(line, highlight=False, soft_wrap=True)


def _advise_rung(catalog: CatalogProtocol, folder: Path, ladder: LadderParams, index: int) -> list[str]:
    """Describe the next rung and its command, which goes on from the run's weights where they fit."""
    rung, done, options = ladder.rungs[index], count_epochs(folder), click.get_current_context().params
    modes = {other.mode for other in ladder.rungs}
    names = [name for name in (options["env"] or "").split(",") if name and name not in modes]
    environment = ",".join([*names, *([rung.mode] if rung.mode else [])]) or None
    session = KedroSession.create(env=environment, runtime_params=options["params"])
    parameters = session.load_context().params  # the commands that are advised have its environment from now on
    reason = "it has learned for a few steps only" if not done else _explain_misfit(catalog, folder, parameters)
    values: dict[str, Any] = {"training.epochs": rung.epochs, "training.init_from": None}
    if not reason:
        values |= {"training.epochs": max((rung.epochs or 0) - done, 1), "training.init_from": folder.name}
    start = f"from scratch, because {reason}" if reason else f"from the weights of this run (epochs so far: {done})"
    return [f"Next: {rung.name}, {start}:", f"  {advise_run('', values)}"]


def _explain_misfit(catalog: CatalogProtocol, folder: Path, parameters: dict[str, Any]) -> str:
    """Explain why a run's weights do not fit the parameters of the next rung; empty if they fit."""
    features = FeatureParams.model_validate(parameters["features"])
    if features != FeatureParams.model_validate(catalog["params:features"].load()):
        return "its `features:` differ"
    catalogue = FeatureCatalogue.of(catalog["feature_catalogue"].load())
    changes = find_differences(folder, NetworkParams.model_validate(parameters["network"]), catalogue.hash)
    return f"this run was trained with {changes}" if changes else ""
