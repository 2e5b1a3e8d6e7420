"""``kedro atft champion``, ``promote`` and ``rollback``: which model makes the live forecasts."""

from collections.abc import Callable

import click
from kedro.framework.project import pipelines
from kedro.io import CatalogProtocol, DatasetError

from ..export.champion import ChampionRecord, GateVerdict, Promotion, update_record
from ..export.experiments import write_experiments
from ..export.model_folder import ExportedModels
from ..live.gate import ChampionParams, GateData, apply_gate
from ..panel.scaler import FeatureCatalogue
from ..params import InputError
from ..reporting.table import Table
from ..stages.ledger import require_gates_passed
from ..training.hardware import choose_device
from .command_helpers import load_dataset, pass_catalog
from .console import make_console, render_table


@click.command()
@pass_catalog
def champion(catalog: CatalogProtocol) -> None:
    """Show the champion, the challenger, and every change: when, why and by which comparison."""
    record = catalog["exported_models"].load().record
    rows = [
        (
            change.at,
            change.run,
            change.how,
            change.reason,
            "passed" if change.verdict and change.verdict.passed else "–",
        )
        for change in reversed(record.history)
    ]
    console = make_console()
    console.print(f"champion: {record.champion or 'none'}; challenger: {record.challenger or 'none'}", highlight=False)
    console.print(render_table(Table("Changes of the champion", ("at", "run", "how", "reason", "gate"), rows)))
    if record.history and (verdict := record.history[-1].verdict):
        console.print(render_table(tabulate_verdict(verdict)))


@click.command()
@click.argument("run")
@click.option("--force", is_flag=True, help="Promote without the gate, or although it fails; needs a reason.")
@click.option("--reason", default="", help="Why this run is promoted; stored in the record.")
@pass_catalog
def promote(catalog: CatalogProtocol, run: str, force: bool, reason: str) -> None:
    """Make the model of RUN the champion, if it passes the gate."""
    models = catalog["exported_models"].load()
    name = models.find(run).parent.name
    if force and not reason:
        raise InputError("--force needs a reason: --reason TEXT. It is stored in the record of the champion.")
    if not force and not models.is_candidate(name):
        raise InputError(f"Run {name} is a smoke run or not a candidate: train longer, or use --force --reason TEXT.")
    verdict = apply_gate_to(catalog, models, name, force)
    if verdict is not None:
        make_console().print(render_table(tabulate_verdict(verdict)))
        if not verdict.passed and not force:
            failed = ", ".join(rule.name for rule in verdict.rules if not rule.is_met)
            raise InputError(f"Run {name} is not promoted: it fails {failed}. The champion is {verdict.champion}.")
    passed = verdict is not None and verdict.passed
    change = Promotion(
        run=name, how="gate" if passed else "forced", reason=reason or "the gate passed", verdict=verdict
    )
    _store_change(catalog, models, lambda record: promote_after(record, change))


def promote_after(record: ChampionRecord, change: Promotion) -> ChampionRecord:
    """Make a run the champion; refuse a verdict on another champion than the current one."""
    if change.verdict is not None and change.verdict.champion != record.champion:
        raise InputError(f"Meanwhile {record.champion} has become the champion: promote again to compare with it.")
    return record.promote(change)


@click.command()
@click.option("--reason", required=True, help="Why the earlier champion is restored; stored in the record.")
@pass_catalog
def rollback(catalog: CatalogProtocol, reason: str) -> None:
    """Make the champion before the current one the champion again."""
    models = catalog["exported_models"].load()

    def roll_back(record: ChampionRecord) -> ChampionRecord:
        """Restore the earlier champion; its model must still exist."""
        earlier = record.find_previous()
        models.find(earlier)
        return record.promote(Promotion(run=earlier, how="rollback", reason=reason))

    _store_change(catalog, models, roll_back)


def apply_gate_to(catalog: CatalogProtocol, models: ExportedModels, run: str, force: bool) -> GateVerdict | None:
    """Apply the gate to a run; with ``force``, None if the gate cannot be applied."""
    try:
        return _apply_gate(catalog, models, run)
    except (InputError, DatasetError) as error:
        if not force:
            raise
        make_console().print(f"The gate is not applied: {error}", highlight=False, markup=False)
        return None


def _apply_gate(catalog: CatalogProtocol, models: ExportedModels, run: str) -> GateVerdict:
    require_gates_passed(pipelines["predict"].only_nodes_with_namespaces(["predict"]), pipelines["train"], catalog)
    data = GateData(
        dataset=load_dataset(catalog, "mapped_dataset"),
        catalogue=FeatureCatalogue.of(catalog["feature_catalogue"].load()),
        entry_lag=catalog["params:features.entry_lag"].load(),
        guard_verdict=catalog["guard_verdict"].load(),
        today=catalog["prediction_day"].load(),
        recency=catalog["params:guard"].load().recency,
        device=choose_device(catalog["params:training.device"].load()),
    )
    params = ChampionParams.model_validate(catalog["params:champion"].load())
    return apply_gate(models, run, data, params, catalog["params:evaluation"].load(), catalog["params:predict"].load())


def tabulate_verdict(verdict: GateVerdict) -> Table:
    """Tabulate the rules of a gate."""
    title = f"{verdict.challenger} against {verdict.champion}, {verdict.first} to {verdict.last}"
    rows = [(rule.name, "met" if rule.is_met else "not met", rule.result) for rule in verdict.rules]
    return Table(title, ("rule", "result", "values"), rows)


def _store_change(
    catalog: CatalogProtocol, models: ExportedModels, change: Callable[[ChampionRecord], ChampionRecord]
) -> None:
    """Write the record, then repeat it in MLflow."""
    record = update_record(models.path, models.record, change)
    catalog["registered_model"].set_aliases(models.runs.folder)
    write_experiments(models.runs.folder / str(record.champion))
    make_console().print(f"champion: {record.champion}; challenger: {record.challenger or 'none'}", highlight=False)
